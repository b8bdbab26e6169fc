// SSH keys made in the browser, so that a private key never travels: Ed25519, in OpenSSH's own form.
// Over plain HTTP a browser has no SubtleCrypto but good random bytes, so the curve is worked out here.
// Source: RFC 8032 (Ed25519), RFC 8709, and OpenSSH's PROTOCOL.key.

const join = (...parts) => {
  const whole = new Uint8Array(parts.reduce((size, one) => size + one.length, 0));
  let at = 0;
  for (const one of parts) { whole.set(one, at); at += one.length; }
  return whole;
};
const text = (value) => new TextEncoder().encode(value);
const number = (value) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const string = (bytes) => join(number(bytes.length), bytes);
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

// ---- SHA-512 and Ed25519 on BigInts: a tenth of a second for one key, and it needs no secure context ----

const M64 = (1n << 64n) - 1n;
const primes = (count) => {
  const found = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p)) found.push(n);
  return found;
};
/** The first 64 bits of the fractional part of the root of a number: floor(root(n * 2^(64*k))) mod 2^64. */
const root = (n, k) => {
  const whole = BigInt(n) << BigInt(64 * k);
  let low = 0n, high = 1n << 72n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** BigInt(k) <= whole) low = middle; else high = middle - 1n;
  }
  return low & M64;
};
const rotate = (x, n) => ((x >> n) | (x << (64n - n))) & M64;

export function sha512(message) {
  const K = primes(80).map((p) => root(p, 3));
  let H = primes(8).map((p) => root(p, 2));
  const size = new Uint8Array(16);
  new DataView(size.buffer).setUint32(12, message.length * 8);
  const data = join(message, Uint8Array.of(0x80), new Uint8Array((239 - (message.length % 128)) % 128), size);
  const view = new DataView(data.buffer);
  for (let at = 0; at < data.length; at += 128) {
    const W = [];
    for (let i = 0; i < 80; i++) {
      if (i < 16) { W.push(view.getBigUint64(at + 8 * i)); continue; }
      const a = W[i - 15], b = W[i - 2];
      const s0 = rotate(a, 1n) ^ rotate(a, 8n) ^ (a >> 7n), s1 = rotate(b, 19n) ^ rotate(b, 61n) ^ (b >> 6n);
      W.push((W[i - 16] + s0 + W[i - 7] + s1) & M64);
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 80; i++) {
      const t1 = (h + (rotate(e, 14n) ^ rotate(e, 18n) ^ rotate(e, 41n)) + ((e & f) ^ (~e & M64 & g)) + K[i] + W[i]) & M64;
      const t2 = ((rotate(a, 28n) ^ rotate(a, 34n) ^ rotate(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c))) & M64;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) & M64, c, b, a, (t1 + t2) & M64];
    }
    H = [a, b, c, d, e, f, g, h].map((one, i) => (H[i] + one) & M64);
  }
  const out = new Uint8Array(64);
  H.forEach((one, i) => new DataView(out.buffer).setBigUint64(8 * i, one));
  return out;
}

const P = (1n << 255n) - 19n;
const mod = (a) => ((a % P) + P) % P;
const power = (base, exponent) => {
  let result = 1n;
  for (base = mod(base); exponent; exponent >>= 1n, base = (base * base) % P) if (exponent & 1n) result = (result * base) % P;
  return result;
};
const D = mod(-121665n * power(121666n, P - 2n));
const GY = mod(4n * power(5n, P - 2n));
const GX = 15112221349535400772501151409588531511454012693041857206046113283949847762202n;
const add = ([x1, y1, z1, t1], [x2, y2, z2, t2]) => {
  const a = mod((y1 - x1) * (y2 - x2)), b = mod((y1 + x1) * (y2 + x2)), c = mod(2n * t1 * t2 * D), d = mod(2n * z1 * z2);
  const e = b - a, f = d - c, g = d + c, h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
};

export function publicKey(seed) {
  const hash = sha512(seed).slice(0, 32);
  hash[0] &= 248; hash[31] &= 127; hash[31] |= 64;
  let scalar = hash.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let sum = [0n, 1n, 1n, 0n], point = [GX, GY, 1n, mod(GX * GY)];
  for (; scalar; scalar >>= 1n, point = add(point, point)) if (scalar & 1n) sum = add(sum, point);
  const inverse = power(sum[2], P - 2n), x = mod(sum[0] * inverse), y = mod(sum[1] * inverse);
  const out = new Uint8Array(32);
  for (let i = 0, left = y | ((x & 1n) << 255n); i < 32; i++, left >>= 8n) out[i] = Number(left & 255n);
  return out;
}

/** A new key: {publicKey: "ssh-ed25519 …", privateKey: a file of OpenSSH}. */
export async function generate(comment) {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  return written(seed, publicKey(seed), comment);
}

export function written(seed, open, comment, check = crypto.getRandomValues(new Uint8Array(4))) {
  const name = text("ssh-ed25519");
  const shown = join(string(name), string(open));
  let inner = join(check, check, shown, string(join(seed, open)), string(text(comment)));
  const padding = (8 - (inner.length % 8)) % 8;
  inner = join(inner, Uint8Array.from({ length: padding }, (_, i) => i + 1));
  const whole = join(text("openssh-key-v1\0"), string(text("none")), string(text("none")), string(new Uint8Array()), number(1), string(shown), string(inner));
  const lines = base64(whole).replace(/(.{70})/g, "$1\n").trimEnd();
  return {
    publicKey: `ssh-ed25519 ${base64(shown)} ${comment.replace(/\s+/g, "-")}`,
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`,
  };
}
