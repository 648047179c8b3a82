import { ConversationTable } from "../conversations/conversation-table.tsx";
import { asWords } from "../format.ts";
import { resources } from "../http.ts";
import { CopyBlock } from "../parts/copy.tsx";
import { Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Segments } from "../parts/segments.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import { Breakdown, ToolFigures } from "./breakdown.tsx";
import { Charts } from "./charts.tsx";
import { RANGES, rangeOf, statsQuery, totalOf } from "./range.ts";
import { Tiles } from "./tiles.tsx";

const EVERY_MS = 30_000;

function FirstSteps() {
  return (
    <section className="panel steps">
      <h2>First steps</h2>
      <ol>
        <li>
          <Link href="/tools?tool=new">Write a tool</Link> that models may use, or{" "}
          <Link href="/tools?import=1">import some</Link> from an MCP server.
        </li>
        <li>
          <Link href="/keys?key=new">Create an API key</Link> and give it the tool.
        </li>
        <li>
          Try it in the <Link href="/playground">playground</Link>, or let an application use this
          address and the key, with the OpenAI SDK that it has:
        </li>
      </ol>
      <CopyBlock label="base URL" text={`${location.origin}/v1`} />
    </section>
  );
}

/** Parts that do not do what they should; nothing where all do. */
function DownParts() {
  const { data } = useResource(resources.health(), { every: EVERY_MS });
  const parts = Object.entries(data?.parts ?? {}).filter(
    ([, { status }]) => status === "down" || status === "degraded",
  );
  return parts.map(([name, { status, message }]) => (
    <Notice key={name} tone={status === "down" ? "bad" : "warn"}>
      <span>
        <strong>
          {asWords(name)} is {status}.
        </strong>{" "}
        {message}
      </span>
      <Link href="/settings">All parts</Link>
    </Notice>
  ));
}

function Figures({ range }: { range: (typeof RANGES)[number] }) {
  const stats = useResource(resources.stats(statsQuery(range, "none")), {
    every: EVERY_MS,
    keeps: true,
  });
  return (
    <Loading from={stats} lines={6}>
      {(data) =>
        totalOf(data).requests === 0 ? (
          <p className="hint">No request came in this time.</p>
        ) : (
          <>
            <Tiles total={totalOf(data)} range={range} />
            <Charts stats={data} />
            <div className="panels">
              <Breakdown range={range} />
              <ToolFigures tools={data.tools} range={range} />
            </div>
          </>
        )
      }
    </Loading>
  );
}

function LatestConversations() {
  const latest = useResource(resources.conversations({ limit: 5, kind: "conversation" }), {
    every: EVERY_MS,
  });
  return (
    <section className="panel">
      <header>
        <h2>Latest conversations</h2>
        {typeof latest.data?.nextCursor === "string" && (
          <Link href="/conversations">All conversations</Link>
        )}
      </header>
      <Loading from={latest}>
        {({ data }) =>
          data.length === 0 ? (
            <p className="hint">None so far.</p>
          ) : (
            <ConversationTable conversations={data} />
          )
        }
      </Loading>
    </section>
  );
}

/** Figures, where there was ever a request. */
function WhatCame({ range }: { range: (typeof RANGES)[number] }) {
  const any = useResource(resources.conversations({ limit: 1 }), { every: EVERY_MS });
  return (
    <Loading from={any}>
      {({ data }) =>
        data.length === 0 ? (
          <FirstSteps />
        ) : (
          <>
            <Figures range={range} />
            <LatestConversations />
          </>
        )
      }
    </Loading>
  );
}

/** `/`: how the proxy does, what it costs, and what came through it last. */
export function OverviewPage({ place }: { place: Place }) {
  const range = rangeOf(place);
  return (
    <Page
      title="Overview"
      width="full"
      actions={
        <Segments
          label="Time"
          choices={RANGES}
          value={range.value}
          onChange={(value) =>
            navigate(withQuery(place, { range: value === "24h" ? null : value }), { replace: true })
          }
        />
      }
    >
      <DownParts />
      <WhatCame range={range} />
    </Page>
  );
}
