// A guest's screen in the page, by noVNC; loaded when one is opened.
import RFB from "../vendor/novnc/core/rfb.js";
import { t } from "./i18n.js";
import { socketOf } from "./sockets.js";

export function open(place, url, say) {
  place.replaceChildren();
  const screen = new RFB(place, socketOf(url), { wsProtocols: ["binary"] });
  screen.scaleViewport = true;
  screen.focusOnClick = true;
  screen.addEventListener("connect", () => { say(t("Connected")); screen.focus(); });
  screen.addEventListener("disconnect", (event) => say(event.detail.clean ? t("The console is closed.") : t("No screen can be shown: the guest has none now, or it is simulated.")));
  return {
    disconnect: () => { try { screen.disconnect(); } catch { /* closed already */ } },
    ctrlAltDel: () => screen.sendCtrlAltDel(),
    // A text is typed key by key; a guest that is slow must not miss one.
    type: async (text) => {
      for (const letter of text) {
        const code = letter === "\n" ? 0xff0d : letter.codePointAt(0);
        screen.sendKey(code > 0xff && code !== 0xff0d ? 0x01000000 | code : code, null);
        await new Promise((done) => setTimeout(done, 15));
      }
    },
  };
}
