import { useState } from "react";
import type { ApiKey, KeyPreview } from "../api-shapes.ts";
import { countOf, formatCount, formatJson } from "../format.ts";
import { actions, resources } from "../http.ts";
import { Empty, Loading, Notice } from "../parts/notice.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useResource } from "../use-resource.ts";
import { ToolChooser } from "./tool-chooser.tsx";

function PreviewList({ preview }: { preview: KeyPreview }) {
  if (preview.tools.length === 0)
    return (
      <Empty title="The model sees no tools">
        <p>
          Requests go to upstream byte by byte as the application sent them. Turn a tool on to give
          it to the model.
        </p>
      </Empty>
    );
  return (
    <>
      <p className="preview-total">
        {countOf(preview.tools.length, "tool")},{" "}
        <strong>{formatCount(preview.tokens)} tokens</strong> with every request
      </p>
      {preview.tools.map(({ name, tokens, text }) => (
        <details key={name} className="preview-tool">
          <summary>
            <code>{name}</code>
            <span className="hint">{formatCount(tokens)} tokens</span>
          </summary>
          <pre tabIndex={0}>{formatJson(text)}</pre>
        </details>
      ))}
    </>
  );
}

/** Exactly what the model will be told of the key's tools. */
function Preview({ id }: { id: string }) {
  const preview = useResource(resources.keyPreview(id));
  return (
    <section className="preview-pane" aria-label="What the model sees">
      <h3>What the model sees</h3>
      <Loading from={preview}>{(data) => <PreviewList preview={data} />}</Loading>
    </section>
  );
}

/** The tools of a key: each toggle counts at once. */
export function KeyTools({ apiKey }: { apiKey: ApiKey }) {
  const [toolIds, setToolIds] = useState(apiKey.toolIds);
  const action = useAction();
  const refresh = useRefresh();
  const toggle = (next: string[], { id, isOn }: { id: string; isOn: boolean }) => {
    const before = toolIds;
    setToolIds(next);
    action.run(async () => {
      try {
        await actions.setKeyTool(apiKey.id, id, isOn);
      } catch (error) {
        setToolIds(before);
        throw error;
      }
      await refresh();
    });
  };
  return (
    <div className="key-tools">
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      <ToolChooser toolIds={toolIds} onToggle={toggle} />
      <Preview id={apiKey.id} />
    </div>
  );
}
