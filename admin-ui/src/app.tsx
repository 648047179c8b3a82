import { useState } from "react";
import { ConversationPage } from "./conversations/conversation-page.tsx";
import { ConversationsPage } from "./conversations/conversations-page.tsx";
import { KeysPage } from "./keys/keys-page.tsx";
import { OverviewPage } from "./overview-page.tsx";
import { Empty, Notice } from "./parts/notice.tsx";
import { Page } from "./parts/page.tsx";
import { Link, usePlace, type Place } from "./router.tsx";
import { SignInPage } from "./sign-in-page.tsx";
import { signOut, useSignedIn } from "./signed-in.ts";
import { ToolPage } from "./tools/tool-page.tsx";
import { ToolsPage } from "./tools/tools-page.tsx";

const ROOMS = [
  { href: "/", name: "Overview" },
  { href: "/keys", name: "Keys" },
  { href: "/tools", name: "Tools" },
  { href: "/conversations", name: "Conversations" },
] as const;

function View({ place }: { place: Place }) {
  const [room = "", id, ...rest] = place.segments;
  const tool = place.query.get("tool");
  if (rest.length === 0 && id !== undefined && room === "conversations") return <ConversationPage key={id} id={id} />;
  if (id === undefined) {
    if (room === "") return <OverviewPage />;
    if (room === "keys") return <KeysPage place={place} />;
    if (room === "tools") return tool === null ? <ToolsPage place={place} /> : <ToolPage key={tool} id={tool} />;
    if (room === "conversations") return <ConversationsPage place={place} />;
  }
  return (
    <Page title="Not found">
      <Empty title="There is nothing here">
        <p>
          The address has no page. <Link href="/">Go to the overview</Link>
        </p>
      </Empty>
    </Page>
  );
}

function SignOut() {
  const [fault, setFault] = useState<string | null>(null);
  const leave = () => {
    setFault(null);
    signOut().catch((error: unknown) => setFault(error instanceof Error ? error.message : String(error)));
  };
  return (
    <>
      <button type="button" className="quiet" onClick={leave}>
        Sign out
      </button>
      {fault !== null && <Notice tone="bad">{fault}</Notice>}
    </>
  );
}

/** The page: sign-in, or the rooms with their navigation. */
export function App() {
  const place = usePlace();
  if (!useSignedIn()) return <SignInPage />;
  const room = `/${place.segments[0] ?? ""}`;
  return (
    <div className="frame">
      <header className="bar">
        <Link href="/" className="brand">
          <img src="/favicon.svg" alt="" width="22" height="22" />
          OpenAI Proxy
        </Link>
        <nav aria-label="Main">
          {ROOMS.map(({ href, name }) => (
            <Link key={href} href={href} {...(href === room ? { "aria-current": "page" } : {})}>
              {name}
            </Link>
          ))}
        </nav>
        <SignOut />
      </header>
      <View place={place} />
    </div>
  );
}
