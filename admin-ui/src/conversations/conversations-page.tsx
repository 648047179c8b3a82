import { Download, MessagesSquare } from "lucide-react";
import { useMemo } from "react";
import type { Conversation } from "../api-shapes.ts";
import { exportAddress, resources } from "../http.ts";
import { Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { MoreRows } from "../parts/table.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useKeys } from "../use-keys.ts";
import { useRows } from "../use-resource.ts";
import { ConversationTable } from "./conversation-table.tsx";
import { ALL_NAMES, countSet, filterOf, liveFilterOf } from "./filter.ts";
import { FilterBar } from "./filter-bar.tsx";
import { LiveSwitch, useTail, useWithTail } from "./live.tsx";

function NoConversations({ isFiltered }: { isFiltered: boolean }) {
  return (
    <Empty
      title={isFiltered ? "Nothing matches" : "No conversations yet"}
      icon={<MessagesSquare aria-hidden="true" />}
    >
      <p>
        {isFiltered ? (
          "No conversation on record is like that."
        ) : (
          <>
            What applications ask of <code>/v1/chat/completions</code> and{" "}
            <code>/v1/responses</code> appears here, with its messages, what its tools did, tokens,
            cost and times; embeddings and the like are single requests.
          </>
        )}
      </p>
      {isFiltered ? (
        <Link href="/conversations" className="button">
          Show all conversations
        </Link>
      ) : (
        <>
          <Link href="/keys?key=new" className="button primary">
            Create a key and send the first request
          </Link>
          <Link href="/conversations?kind=request" className="button">
            Show single requests
          </Link>
        </>
      )}
    </Empty>
  );
}

/** Moves the focus to the next or previous row of the list, and so shows it. */
function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("a[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at === -1 ? rows[0] : rows[at + by];
  next?.focus();
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}

const NO_ROWS: Conversation[] = [];

function ConversationList({ place, isLive }: { place: Place; isLive: boolean }) {
  const search = place.query.toString();
  // the place is a new object on each
  // render; its query is what counts
  // oxlint-disable-next-line react-hooks/exhaustive-deps
  const filter = useMemo(() => filterOf(place), [search]);
  const list = useRows((cursor) => resources.conversations({ ...filter, cursor }));
  const tail = useTail(liveFilterOf(filter), isLive);
  const { rows, fresh } = useWithTail(list.data ?? NO_ROWS, tail);
  useKeys({ j: () => step(1), k: () => step(-1) });
  return (
    <>
      {tail.error !== null && (
        <Notice tone="quiet">The live tail is not there: {tail.error}</Notice>
      )}
      <Loading from={list} lines={8}>
        {() => (
          <div className={list.isLoading && !list.isLoadingMore ? "rows stale" : "rows"}>
            {rows.length === 0 ? (
              <NoConversations isFiltered={countSet(place, ALL_NAMES) > 0} />
            ) : (
              <ConversationTable conversations={rows} fresh={fresh} />
            )}
            <MoreRows of={list} />
          </div>
        )}
      </Loading>
    </>
  );
}

/** `/conversations`: what came through the proxy, newest first. */
export function ConversationsPage({ place }: { place: Place }) {
  const isLive = place.query.get("live") === "1";
  return (
    <Page
      title="Conversations"
      width="full"
      actions={
        <a className="button" href={exportAddress(filterOf(place))} download="conversations.jsonl">
          <Download aria-hidden="true" />
          Export
        </a>
      }
    >
      <FilterBar
        place={place}
        live={
          <LiveSwitch
            isOn={isLive}
            onTurn={() =>
              navigate(withQuery(place, { live: isLive ? null : "1" }), { replace: true })
            }
          />
        }
      />
      <ConversationList place={place} isLive={isLive} />
    </Page>
  );
}
