import { lazy, Suspense } from "react";
import { ConversationsPage } from "./conversations/conversations-page.tsx";
import { KeysPage } from "./keys/keys-page.tsx";
import { Empty, Skeleton } from "./parts/notice.tsx";
import { Page } from "./parts/page.tsx";
import { Link, usePlace, type Place } from "./router.tsx";
import { Frame } from "./shell/frame.tsx";
import { SignInPage } from "./sign-in-page.tsx";
import { useSignedIn } from "./signed-in.ts";

/** Views that need more than a table: loaded when somebody goes there. */
const OverviewPage = lazy(async () => ({
  default: (await import("./overview/overview-page.tsx")).OverviewPage,
}));
const ConversationPage = lazy(async () => ({
  default: (await import("./conversations/conversation-page.tsx")).ConversationPage,
}));
const ToolsRoom = lazy(async () => ({
  default: (await import("./tools/tools-room.tsx")).ToolsRoom,
}));
const PlaygroundPage = lazy(async () => ({
  default: (await import("./playground/playground-page.tsx")).PlaygroundPage,
}));
const SettingsPage = lazy(async () => ({
  default: (await import("./settings/settings-page.tsx")).SettingsPage,
}));

function NotFound() {
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

function View({ place }: { place: Place }) {
  const [room = "", id, ...rest] = place.segments;
  if (rest.length === 0 && id !== undefined && room === "conversations")
    return <ConversationPage key={id} id={id} />;
  if (id !== undefined) return <NotFound />;
  switch (room) {
    case "":
      return <OverviewPage place={place} />;
    case "keys":
      return <KeysPage place={place} />;
    case "tools":
      return <ToolsRoom place={place} />;
    case "conversations":
      return <ConversationsPage place={place} />;
    case "playground":
      return <PlaygroundPage place={place} />;
    case "settings":
      return <SettingsPage />;
    default:
      return <NotFound />;
  }
}

function Opening() {
  return (
    <main className="page">
      <Skeleton lines={6} />
    </main>
  );
}

/** The page: sign-in, or the rooms with their navigation. */
export function App() {
  const place = usePlace();
  if (!useSignedIn()) return <SignInPage />;
  return (
    <Frame room={`/${place.segments[0] ?? ""}`}>
      <Suspense fallback={<Opening />}>
        <View place={place} />
      </Suspense>
    </Frame>
  );
}
