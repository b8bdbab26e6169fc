// What every module here works with: the view library, and a few small things.
import { h, render, Fragment, createContext } from "../vendor/preact.js";
import { useState, useEffect, useRef, useMemo, useCallback } from "../vendor/hooks.js";
import { signal, computed, effect, batch } from "../vendor/signals.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { h, render, Fragment, createContext, useState, useEffect, useRef, useMemo, useCallback };
export { signal, computed, effect, batch };

/** What a function gives for some inputs, and whether it is still being asked. again() asks anew. */
export function useAsked(ask, inputs) {
  const [state, setState] = useState({ loading: true });
  const turn = useRef(0);
  const again = useCallback(async () => {
    const mine = ++turn.current;
    setState((before) => ({ ...before, loading: true }));
    try {
      const value = await ask();
      if (mine === turn.current) setState({ value, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((before) => ({ ...before, error, loading: false }));
    }
  }, inputs);
  useEffect(() => {
    again();
    return () => { turn.current++; };
  }, [again]);
  return { ...state, again, set: (value) => setState((before) => ({ ...before, value })) };
}

export const later = (ms) => new Promise((done) => setTimeout(done, ms));

/** At most one call each `ms`, the last one always. */
export function calmly(ms, call) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, ms);
  };
}

export const at = (object, path) =>
  path.split(".").reduce((found, key) => (found == null ? undefined : found[key]), object);

/** A form's value as a number or a list of words. */
export const words = (text) => (text || "").split(/[\s,]+/).filter(Boolean);

export const without = (object, ...empty) =>
  Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value !== "" && value !== null && !empty.includes(value)),
  );
