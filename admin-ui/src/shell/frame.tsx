import { CircleHelp, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useState, type ReactNode } from "react";
import { resources } from "../http.ts";
import { Notice } from "../parts/notice.tsx";
import { Link } from "../router.tsx";
import { signOut } from "../signed-in.ts";
import { useResource } from "../use-resource.ts";
import { ROOMS } from "./rooms.ts";
import { ShortcutHelp, useHelp, useShortcuts } from "./shortcuts.tsx";
import { chooseTheme, useTheme, type Theme } from "./theme.ts";

const HEALTH_EVERY_MS = 30_000;

const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon };

function ThemeButton() {
  const theme = useTheme();
  const Icon = THEME_ICONS[theme];
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}. Change`}
      title={`Theme: ${theme}`}
      onClick={() => chooseTheme(NEXT_THEME[theme])}
    >
      <Icon aria-hidden="true" />
    </button>
  );
}

function SignOutButton({ onFault }: { onFault: (fault: string | null) => void }) {
  const leave = () => {
    onFault(null);
    signOut().catch((error: unknown) =>
      onFault(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <button
      type="button"
      className="icon-button"
      aria-label="Sign out"
      title="Sign out"
      onClick={leave}
    >
      <LogOut aria-hidden="true" />
    </button>
  );
}

const SUMMARIES = {
  ok: "All parts run",
  degraded: "Partly down",
  down: "Down",
  unconfigured: "All parts run",
};

/** How the proxy does, in a few words, wherever the reader is. */
function HealthLink() {
  const health = useResource(resources.health(), { every: HEALTH_EVERY_MS });
  const status = health.error !== null ? "down" : (health.data?.status ?? "ok");
  const text =
    health.error !== null ? "No answer" : health.data === null ? "Checking…" : SUMMARIES[status];
  return (
    <Link href="/settings" className="health">
      <span className={`dot ${status}`} aria-hidden="true" />
      <span>{text}</span>
    </Link>
  );
}

function Rooms({ room }: { room: string }) {
  return (
    <nav className="rooms" aria-label="Main">
      {ROOMS.map(({ href, name, short, icon: Icon, key }) => (
        <Link
          key={href}
          href={href}
          title={`${name} (g ${key})`}
          {...(href === room ? { "aria-current": "page" } : {})}
        >
          <Icon aria-hidden="true" />
          <span className="long-name">{name}</span>
          <span className="short-name">{short}</span>
        </Link>
      ))}
    </nav>
  );
}

/**
 * What surrounds every view: navigation, health, theme, sign-out, and keys that always work. `room`
 * is the view's address.
 */
export function Frame({ room, children }: { room: string; children: ReactNode }) {
  const [fault, setFault] = useState<string | null>(null);
  const help = useHelp();
  useShortcuts(help.show);
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="rail">
        <Link href="/" className="brand">
          <img src="/favicon.svg" alt="" width="24" height="24" />
          <span>OpenAI Proxy</span>
        </Link>
        <Rooms room={room} />
        <div className="rail-foot">
          <HealthLink />
          <div className="rail-buttons">
            <ThemeButton />
            <button
              type="button"
              className="icon-button help"
              aria-label="Keyboard"
              title="Keyboard (?)"
              onClick={help.show}
            >
              <CircleHelp aria-hidden="true" />
            </button>
            <SignOutButton onFault={setFault} />
          </div>
        </div>
      </header>
      <div className="view">
        {fault !== null && <Notice tone="bad">{fault}</Notice>}
        {children}
      </div>
      {help.isShown && <ShortcutHelp onClose={help.hide} />}
    </div>
  );
}
