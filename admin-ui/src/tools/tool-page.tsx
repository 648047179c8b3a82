import { ChevronLeft, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import type { Tool } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Link, navigate } from "../router.tsx";
import { useAction, type Action } from "../use-action.ts";
import { useRefresh, useResource } from "../use-resource.ts";
import { ToolAtServer } from "./tool-change.tsx";
import { describedOf, draftOf, fieldsOf, secretsOf, type ToolDraft } from "./tool-draft.ts";
import { SHOWN_FIELDS, ToolForm } from "./tool-form.tsx";
import { TryPanel } from "./try-panel.tsx";

/** The browser asks before a draft is lost with its tab. */
function useLeaveWarning(isDirty: boolean): void {
  useEffect(() => {
    if (!isDirty) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isDirty]);
}

interface Editing {
  draft: ToolDraft;
  change: (changes: Partial<ToolDraft>) => void;
  isDirty: boolean;
  action: Action;
  save: () => Promise<Tool>;
  /**
   * The stored tool was changed beside the form: what a model is told stands in it as it is now,
   * the rest stays as it is.
   */
  adopt: (tool: Tool) => void;
}

/** A tool under the reader's hands: what stands in the form, and how it is saved. */
function useEditing(stored: Tool | null, onSaved: (tool: Tool) => void): Editing {
  const [draft, setDraft] = useState(() => draftOf(stored));
  const [isDirty, setIsDirty] = useState(false);
  const action = useAction();
  const refresh = useRefresh();
  useLeaveWarning(isDirty);
  const change = (changes: Partial<ToolDraft>) => {
    setIsDirty(true);
    setDraft((current) => ({ ...current, ...changes }));
  };
  const save = async () => {
    if (stored !== null && !isDirty) return stored;
    const fields = fieldsOf(draft);
    const tool = await (stored === null
      ? actions.createTool(fields)
      : actions.updateTool(stored.id, fields));
    setIsDirty(false);
    setDraft((current) => ({
      ...current,
      ...secretsOf(tool),
      mcpToolName: tool.mcpToolName ?? "",
    }));
    onSaved(tool);
    await refresh();
    return tool;
  };
  const adopt = (tool: Tool) => {
    setDraft((current) => ({ ...current, ...describedOf(tool), isActive: tool.isActive }));
    onSaved(tool);
  };
  return { draft, change, isDirty, action, save, adopt };
}

function ToolEditor({ tool, onSaved }: { tool: Tool | null; onSaved: (tool: Tool) => void }) {
  const { draft, change, isDirty, action, save, adopt } = useEditing(tool, onSaved);
  const beside = action.faultBeside(SHOWN_FIELDS);
  const needsSaving = tool === null || isDirty;
  return (
    <div className="tool-editor">
      {tool?.type === "mcp" && <ToolAtServer tool={tool} onTool={onSaved} onApproved={adopt} />}
      <form
        className="editor"
        aria-label="Tool"
        onSubmit={(event) => {
          event.preventDefault();
          action.run(async () => void (await save()));
        }}
      >
        <ToolForm draft={draft} change={change} action={action} stored={tool} />
        {beside !== null && <Notice tone="bad">{beside}</Notice>}
        <footer className="actions">
          <span className="hint" role="status">
            {needsSaving ? "" : "Saved"}
          </span>
          <Link href="/tools" className="button">
            {needsSaving ? "Cancel" : "Done"}
          </Link>
          <button type="submit" className="primary" disabled={action.isRunning || !needsSaving}>
            {action.isRunning ? "Saving…" : tool === null ? "Create tool" : "Save"}
          </button>
        </footer>
      </form>
      <TryPanel parameters={draft.parameters} needsSaving={needsSaving} save={save} />
    </div>
  );
}

function DeleteButton({ tool }: { tool: Tool }) {
  const [isAsking, setIsAsking] = useState(false);
  const refresh = useRefresh();
  const remove = async () => {
    await actions.deleteTool(tool.id);
    navigate("/tools");
    await refresh();
  };
  return (
    <>
      <button type="button" className="quiet bad" onClick={() => setIsAsking(true)}>
        <Trash2 aria-hidden="true" />
        Delete
      </button>
      {isAsking && (
        <ConfirmDialog
          title={`Delete ${tool.name}?`}
          verb="Delete tool"
          onConfirm={remove}
          onClose={() => setIsAsking(false)}
        >
          It is taken from every key that has it. What it did stays on record. To stop it for a
          while, switch it off instead.
        </ConfirmDialog>
      )}
    </>
  );
}

/** `/tools?tool=…`: one tool, by id, or `new`. */
export function ToolPage({ id }: { id: string }) {
  // A tool that was made here goes on in the editor in which it was made.
  const [made, setMade] = useState<Tool | null>(null);
  const stored = useResource(resources.tool(id), { isWanted: id !== "new" && made === null });
  const tool = made ?? stored.data;
  const isNew = id === "new" || made !== null;
  const saved = (next: Tool) => {
    if (!isNew) return;
    setMade(next);
    if (id === "new") navigate(`/tools?tool=${next.id}`, { replace: true });
  };
  return (
    <Page
      title={tool?.name ?? (isNew ? "New tool" : "Tool")}
      width="full"
      above={
        <Link href="/tools" className="back">
          <ChevronLeft aria-hidden="true" />
          Tools
        </Link>
      }
      actions={tool !== null && <DeleteButton tool={tool} />}
    >
      {isNew ? (
        <ToolEditor tool={made} onSaved={saved} />
      ) : (
        <Loading from={stored} lines={8}>
          {(data) => <ToolEditor tool={data} onSaved={saved} />}
        </Loading>
      )}
    </Page>
  );
}
