import type { ReactNode } from "react";
import type { Settings } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { resources } from "../http.ts";
import { Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Segments } from "../parts/segments.tsx";
import { chooseTheme, useTheme } from "../shell/theme.ts";
import { useResource } from "../use-resource.ts";
import { AuditLog } from "./audit-log.tsx";
import { HealthParts, valueText } from "./health-parts.tsx";

const THEMES = [
  { value: "system", label: "System" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
] as const;

function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function About({ settings }: { settings: Settings }) {
  const { version, node, runtime, database, retentionDays, localServers } = settings;
  return (
    <section className="panel">
      <h2>This server</h2>
      <Facts
        facts={[
          ["Version", version],
          ["Runs on", node === null ? runtime : `Node ${node.replace(/^v/, "")}`],
          ["Database", `${database.version}${database.embedded ? ", built in" : ""}`],
          [
            "Record",
            retentionDays === null
              ? "kept for ever. LOG_RETENTION_DAYS sets how long"
              : `kept for ${countOf(retentionDays, "day")} (LOG_RETENTION_DAYS)`,
          ],
          ["Local MCP servers", localServers.message],
          [
            "API",
            <a key="api" href="/api/admin/openapi.json">
              OpenAPI document
            </a>,
          ],
        ]}
      />
    </section>
  );
}

function Configuration({ settings }: { settings: Settings }) {
  return (
    <section className="panel">
      <h2>Configuration</h2>
      <Facts
        facts={Object.entries(settings.config).map(([name, value]) => [
          name,
          value === null ? (
            <span className="hint" key={name}>
              not set
            </span>
          ) : (
            <code key={name}>{valueText(value)}</code>
          ),
        ])}
      />
    </section>
  );
}

function Appearance() {
  const theme = useTheme();
  return (
    <section className="panel appearance">
      <h2>Appearance</h2>
      <Segments label="Theme" choices={THEMES} value={theme} onChange={chooseTheme} />
    </section>
  );
}

/** `/settings`: how the server does, how it is set up, and who changed what. */
export function SettingsPage() {
  const settings = useResource(resources.settings());
  return (
    <Page title="Settings" width="full">
      <HealthParts />
      <Loading from={settings}>
        {(data) => (
          <>
            {data.warnings.map((warning) => (
              <Notice key={warning} tone="warn">
                {warning}
              </Notice>
            ))}
            <div className="panels">
              <About settings={data} />
              <Configuration settings={data} />
            </div>
          </>
        )}
      </Loading>
      <AuditLog />
      <Appearance />
    </Page>
  );
}
