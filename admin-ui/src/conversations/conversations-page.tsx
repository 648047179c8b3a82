import { resources } from "../http.ts";
import { Empty, Loading } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Pager } from "../parts/table.tsx";
import { Link, type Place } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import { ConversationTable } from "./conversation-table.tsx";

function NoConversations({ isFiltered }: { isFiltered: boolean }) {
  return (
    <Empty title={isFiltered ? "This key has no conversations" : "No conversations yet"}>
      <p>
        Each request of an application to <code>/v1/chat/completions</code> appears here, with its messages, what its tools did, tokens and
        times.
      </p>
      {isFiltered ? (
        <Link href="/conversations">Show those of all keys</Link>
      ) : (
        <Link href="/keys">Create a key and copy its first request</Link>
      )}
    </Empty>
  );
}

/** `/conversations`: what came through the proxy, newest first. */
export function ConversationsPage({ place }: { place: Place }) {
  const cursor = place.query.get("cursor");
  const apiKeyId = place.query.get("apiKeyId");
  const conversations = useResource(resources.conversations({ cursor, apiKeyId }));
  const linkTo = (next: string | null) => {
    const query = new URLSearchParams({
      ...(apiKeyId === null ? {} : { apiKeyId }),
      ...(next === null ? {} : { cursor: next }),
    }).toString();
    return query === "" ? "/conversations" : `/conversations?${query}`;
  };
  return (
    <Page
      title="Conversations"
      actions={
        <button type="button" onClick={conversations.reload} disabled={conversations.isLoading}>
          Refresh
        </button>
      }
    >
      {apiKeyId !== null && (
        <p className="filter">
          Of one key: <strong>{conversations.data?.data[0]?.apiKeyName ?? apiKeyId}</strong> <Link href="/conversations">Show all</Link>
        </p>
      )}
      <Loading from={conversations}>
        {({ data, nextCursor }) => (
          <>
            {data.length === 0 ? <NoConversations isFiltered={apiKeyId !== null} /> : <ConversationTable conversations={data} />}
            <Pager cursor={cursor} nextCursor={nextCursor} linkTo={linkTo} />
          </>
        )}
      </Loading>
    </Page>
  );
}
