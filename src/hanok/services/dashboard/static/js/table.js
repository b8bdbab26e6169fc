// Tables: what is chosen and what is done with it, by mouse and by keys.
import { html, useEffect, useRef, useState } from "./lib.js";
import { t } from "./i18n.js";
import { Menu, nothingOpen } from "./ui.js";

// column: {title, cell(row), sort: the API's sort key, key: of the row, mono, small: hidden on small screens, end: right-aligned}

const typing = (target) => target.closest?.("input,textarea,select,[contenteditable],dialog");

/**
 * rows, columns, id(row), open(row): address of its page, actions(row), bulk(rows).
 * sort: {key, dir}; setSort(sort). label: what the table is called.
 */
export function Table({ rows, columns, id, open, actions, bulk, sort, setSort, label, create }) {
  const [chosen, setChosen] = useState(new Set());
  const [at, setAt] = useState(-1);
  const body = useRef();
  const ids = rows.map(id);
  const here = ids.filter((one) => chosen.has(one));
  const toggle = (one) => setChosen((before) => {
    const after = new Set(before);
    after.delete(one) || after.add(one);
    return after;
  });
  const focus = (index) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setAt(next);
    body.current?.children[next]?.focus();
  };
  useEffect(() => {
    const key = (event) => {
      if (typing(event.target) || event.metaKey || event.ctrlKey || event.altKey || !nothingOpen()) return;
      const now = body.current?.contains(event.target) ? at : -1;
      if (event.key === "j" || event.key === "ArrowDown") focus(now + 1);
      else if (event.key === "k" || event.key === "ArrowUp") focus(now - 1);
      else if (event.key === "x" && now >= 0) toggle(ids[now]);
      else if (event.key === "c" && create) create();
      else if (event.key === "/") document.querySelector(".filters input")?.focus();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  });
  const sorter = (column) => {
    const dir = sort?.key === column.sort && sort.dir !== "desc" ? "desc" : "asc";
    return () => setSort({ key: column.sort, dir });
  };
  const does = bulk ? bulk(rows.filter((row) => chosen.has(id(row)))) : [];
  return html`<div class="table">
    ${here.length > 0 && html`<div class="bulk" role="toolbar" aria-label=${t("Chosen")}><span>${t("{count} chosen", { count: here.length })}</span>
      ${does.map((one) => html`<button class=${one.danger ? "danger small" : "small"} onClick=${() => one.run().then(() => setChosen(new Set()))}>${one.label}</button>`)}
      <button class="plain small" onClick=${() => setChosen(new Set())}>${t("None")}</button></div>`}
    <div class="scroll"><table aria-label=${label}><thead><tr>
      ${bulk && html`<th class="narrow"><input type="checkbox" aria-label=${t("Choose all")} checked=${here.length > 0 && here.length === rows.length}
        onChange=${(event) => setChosen(new Set(event.target.checked ? ids : []))} /></th>`}
      ${columns.map((column) => html`<th scope="col" class=${column.small ? "small-off" : ""} aria-sort=${sort && column.sort === sort.key ? (sort.dir === "desc" ? "descending" : "ascending") : null}>
        ${column.sort && setSort ? html`<button class="plain sorter" onClick=${sorter(column)}>${t(column.title)}${sort?.key === column.sort ? (sort.dir === "desc" ? " ↓" : " ↑") : ""}</button>` : t(column.title)}</th>`)}
      ${actions && html`<th class="narrow"><span class="sr">${t("Actions")}</span></th>`}
    </tr></thead>
    <tbody ref=${body}>${rows.map((row, index) => {
      const one = ids[index];
      return html`<tr key=${one} tabindex=${index === Math.max(0, at) ? 0 : -1} class=${chosen.has(one) ? "chosen" : ""} onFocus=${() => setAt(index)}
        onKeyDown=${(event) => { if (event.key === "Enter" && event.target.tagName === "TR" && open) event.currentTarget.querySelector("a")?.click(); }}>
        ${bulk && html`<td class="narrow"><input type="checkbox" aria-label=${t("Choose {name}", { name: row.name || one })} checked=${chosen.has(one)} onChange=${() => toggle(one)} /></td>`}
        ${columns.map((column, place) => html`<td class=${[column.mono && "mono", column.small && "small-off", column.end && "end"].filter(Boolean).join(" ")} data-title=${t(column.title)}>
          ${place === 0 && open ? html`<a href=${open(row)}>${column.cell(row)}</a>` : column.cell(row)}</td>`)}
        ${actions && html`<td class="narrow">${row && html`<${RowMenu} actions=${actions} row=${row} />`}</td>`}
      </tr>`;
    })}</tbody></table></div>
  </div>`;
}

function RowMenu({ actions, row }) {
  const found = actions(row);
  if (!found.length) return null;
  return html`<${Menu} label="⋯" title=${t("Actions of {name}", { name: row.name || row.id })}>
    ${found.map((one) => html`<button class=${one.danger ? "danger-text" : ""} disabled=${one.disabled} title=${one.why} onClick=${one.run}>${one.label}</button>`)}
  <//>`;
}
