// Key pairs: made and downloaded in place, or imported.
import { define } from "../resource.js";
import { T, t } from "../i18n.js";
import { command, terraform } from "../commands.js";
import { reveal } from "../ui.js";
import { Ago } from "../ui.js";
import { html } from "../lib.js";
import { generate } from "../keys.js";

const NAME = /^[\w @.-]{1,255}$/;

export const keypairs = define({
  name: "keypairs", title: T("Key pairs"), one: T("key pair"),
  service: "compute", path: "/os-keypairs", key: "keypairs", member: "keypair",
  unwrap: (row) => row.keypair, id: (row) => row.name, nouns: ["keypair"],
  rule: "os_compute_api:os-keypairs:index",
  filters: [{ name: "name", label: T("Name"), here: true }],
  columns: [
    { title: T("Name"), cell: (row) => row.name, sort: "name" },
    { title: T("Type"), cell: (row) => row.type },
    { title: T("Fingerprint"), cell: (row) => row.fingerprint, mono: true, small: true },
  ],
  facts: (row) => [["Name", row.name], ["Type", row.type], ["Fingerprint", html`<code>${row.fingerprint}</code>`], ["Created", html`<${Ago} time=${row.created_at} />`], ["Public key", html`<code class="wrap">${row.public_key}</code>`]],
  create: {
    label: T("Create key pair"), rule: "os_compute_api:os-keypairs:create",
    fields: [
      { name: "name", label: T("Name"), required: true, pattern: NAME, patternHelp: T("Letters, digits, blanks and . _ - @ only.") },
      { name: "how", label: T("Key"), type: "radio", default: "make", options: [
        { value: "make", label: T("Make one here; the private key never leaves this browser") },
        { value: "import", label: T("Use a public key that you have") }] },
      { name: "public_key", label: T("Public key"), type: "textarea", mono: true, required: true, placeholder: "ssh-ed25519 AAAA…", when: (values) => values.how === "import" },
    ],
    send: async (values) => {
      const { api } = await import("../api.js");
      const made = values.how === "make" ? await generate(values.name) : null;
      const body = { keypair: { name: values.name, type: "ssh", public_key: made ? made.publicKey : values.public_key.trim() } };
      const answer = await api({ service: "compute", method: "POST", path: "/os-keypairs", body });
      return { ...answer, privateKey: made?.privateKey };
    },
    command: (values) => values.how === "import"
      ? command("keypair", "create", ["--public-key", "key.pub"], values.name)
      : command("keypair", "create", ["--private-key", `${values.name}.pem`], values.name),
    terraform: (values) => terraform("openstack_compute_keypair_v2", values.name, { name: values.name, public_key: values.how === "import" ? values.public_key : undefined }),
    done: async (made) => made.privateKey && reveal({
      title: made.keypair.name, value: made.privateKey, file: `${made.keypair.name}.pem`,
      text: t("This is the private key. It is shown only now: download it and keep it. Then: chmod 600 FILE"),
    }),
  },
  actions: [
    { name: "delete", label: T("Delete"), rule: "os_compute_api:os-keypairs:delete", danger: true, bulk: true, gone: true,
      confirm: T("Servers that were made with it keep the key."),
      call: (row) => ({ method: "DELETE", path: `/os-keypairs/${encodeURIComponent(row.name)}` }),
      command: (row) => command("keypair", "delete", row.name) },
  ],
  command: (row) => command("keypair", "show", row.name),
  terraform: (row) => terraform("openstack_compute_keypair_v2", row.name, { name: row.name, public_key: row.public_key }),
});
