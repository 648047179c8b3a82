import { RefreshCw } from "lucide-react";
import { useRef, type ReactNode } from "react";
import type { Tool, ToolChange } from "../api-shapes.ts";
import { actions } from "../http.ts";
import { Diff } from "../parts/diff.tsx";
import { Notice } from "../parts/notice.tsx";
import { Moment } from "../parts/table.tsx";
import { useAction, type Action } from "../use-action.ts";
import { useRefresh } from "../use-resource.ts";
import { schemaTexts, spellUnseen } from "./describe-change.ts";
import { HiddenNotice } from "./hidden-notice.tsx";

interface PanelProps {
  tool: Tool;
  /** Is given the tool as it is stored now. */
  onTool: (tool: Tool) => void;
  /** The same, where its description and parameters have become others. */
  onApproved: (tool: Tool) => void;
}

/** What happens to a tool while its change waits. */
export const MEANWHILE = {
  keep: "Until you decide, models go on getting what was approved.",
  disable: "Until you decide, models do not get this tool.",
};

function ChangedTexts({ change: { from, to } }: { change: ToolChange }) {
  if (to === null) return null;
  const [before, after] = schemaTexts(from.parameters, to.parameters);
  return (
    <>
      <Diff
        label="Description"
        from={spellUnseen(from.description)}
        to={spellUnseen(to.description)}
      />
      <Diff label="Parameters" from={spellUnseen(before)} to={spellUnseen(after)} />
    </>
  );
}

const CHOICES = {
  changed: {
    approve: "Use the new one",
    approved: "from the next request on, models are told the new description and parameters.",
    dismiss: "Keep mine",
    dismissed: "the tool stays as it is, and this change is not shown again. Another one will be.",
  },
  gone: {
    approve: "Switch it off",
    approved: "models are not offered the tool any more. You can delete it, or switch it on again.",
    dismiss: "Keep mine",
    dismissed:
      "models go on getting the tool. Its calls fail for as long as the server does not have it.",
  },
};

function Decision({
  tool,
  decide,
  action,
}: {
  tool: Tool;
  decide: (choice: "approve" | "dismiss") => void;
  action: Action;
}) {
  const choices = CHOICES[tool.mcpChange?.to === null ? "gone" : "changed"];
  return (
    <>
      <dl className="outcomes">
        <div>
          <dt>{choices.approve}:</dt>
          <dd>{choices.approved}</dd>
        </div>
        <div>
          <dt>{choices.dismiss}:</dt>
          <dd>{choices.dismissed}</dd>
        </div>
      </dl>
      <div className="actions">
        <button
          type="button"
          className="primary"
          disabled={action.isRunning}
          onClick={() => decide("approve")}
        >
          {choices.approve}
        </button>
        <button type="button" disabled={action.isRunning} onClick={() => decide("dismiss")}>
          {choices.dismiss}
        </button>
      </div>
    </>
  );
}

/** Whether what models get is not what its server had when it was approved. */
function isReworded({ description, parameters }: Tool, { from }: ToolChange): boolean {
  const [approved, stored] = schemaTexts(from.parameters, parameters);
  return description !== from.description || approved !== stored;
}

function Waiting({
  tool,
  change,
  children,
}: {
  tool: Tool;
  change: ToolChange;
  children: ReactNode;
}) {
  const name = tool.mcpToolName ?? tool.name;
  return (
    <>
      <p>
        {change.to === null ? (
          <>
            Its server has no tool called <code>{name}</code> any more.{" "}
          </>
        ) : (
          <>
            Its server says something else about it than what you approved. Models do as
            descriptions tell them: read before you use it.{" "}
          </>
        )}
        {MEANWHILE[tool.onMcpChange]}
      </p>
      <HiddenNotice found={change.hiddenText} />
      <ChangedTexts change={change} />
      {change.to !== null && isReworded(tool, change) && (
        <p>
          You have worded this tool yourself since it was imported: “Use the new one” replaces your
          words.
        </p>
      )}
      {children}
    </>
  );
}

const TITLES = {
  none: "At its server",
  changed: "Its server changed this tool",
  gone: "Its server does not have this tool any more",
};

/**
 * How a tool stands at its MCP server: what changed there and what to do about it, and a question
 * on demand.
 */
export function ToolAtServer({ tool, onTool, onApproved }: PanelProps) {
  const checking = useAction();
  const deciding = useAction();
  const refresh = useRefresh();
  const heading = useRef<HTMLHeadingElement>(null);
  const { mcpChange: change, mcpCheckedAt, mcpChangedAt } = tool;
  const check = async () => {
    onTool(await actions.checkTool(tool.id));
    await refresh();
  };
  const decide = async (choice: "approve" | "dismiss") => {
    try {
      const decided = await actions.decideChange(tool.id, {
        action: choice,
        ...(mcpChangedAt === null ? {} : { mcpChangedAt }),
      });
      (choice === "approve" ? onApproved : onTool)(decided);
      // The button that had the focus goes away.
      heading.current?.focus();
    } finally {
      // It was refused because the server has changed the tool again: that change is to be seen.
      await refresh();
    }
  };
  const state = change === null ? "none" : change.to === null ? "gone" : "changed";
  const error = checking.error ?? deciding.error;
  return (
    <section
      className={change === null ? "panel at-server" : "panel at-server waits"}
      aria-label="The tool at its server"
    >
      <header>
        <h2 ref={heading} tabIndex={-1}>
          {TITLES[state]}
        </h2>
        <div className="together">
          <span className="hint" role="status">
            {checking.isRunning && "Asking its server…"}
            {!checking.isRunning && mcpCheckedAt === null && "Not checked yet"}
            {!checking.isRunning && mcpCheckedAt !== null && (
              <>
                Checked <Moment iso={mcpCheckedAt} />
              </>
            )}
          </span>
          <button type="button" disabled={checking.isRunning} onClick={() => checking.run(check)}>
            <RefreshCw aria-hidden="true" />
            Check now
          </button>
        </div>
      </header>
      {error !== null && <Notice tone="bad">{error.message}</Notice>}
      <HiddenNotice found={tool.hiddenText} />
      {change === null && mcpCheckedAt !== null && error === null && (
        <p className="hint">There is no change to decide about.</p>
      )}
      {change !== null && (
        <Waiting tool={tool} change={change}>
          {mcpChangedAt !== null && (
            <p className="hint">
              Noticed <Moment iso={mcpChangedAt} />.
            </p>
          )}
          <Decision
            tool={tool}
            action={deciding}
            decide={(choice) => deciding.run(() => decide(choice))}
          />
        </Waiting>
      )}
    </section>
  );
}
