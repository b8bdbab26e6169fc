// Begins: the language, the session, the rights, the pages.
import { html, render } from "./lib.js";
import { speak, preferred } from "./i18n.js";
import { known, session, learnProjects, learnRights } from "./api.js";
import { rules } from "./resource.js";
import { App, onReady, showTheme } from "./shell.js";
import "./pages/index.js";

const ready = async () => {
  if (!session.value?.signed_in) return;
  learnProjects().catch(() => {}); // what depends on them comes when they are known
  await learnRights(rules());
};
onReady(ready);
showTheme();
await Promise.all([speak(preferred()), known()]);
await ready();
document.getElementById("app").replaceChildren();
render(html`<${App} />`, document.getElementById("app"));
