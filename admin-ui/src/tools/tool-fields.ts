/** What the parts of a tool's form share. */
import type { Action } from "../use-action.ts";
import type { ToolDraft } from "./tool-draft.ts";

type TextName = {
  [Name in keyof ToolDraft]: ToolDraft[Name] extends string
    ? string extends ToolDraft[Name]
      ? Name
      : never
    : never;
}[keyof ToolDraft];

/** A form of a tool and what it is about. */
export interface FormProps {
  draft: ToolDraft;
  change: (changes: Partial<ToolDraft>) => void;
  action: Action;
}

/** What a control of a text has in common with all others. */
export const textOf = ({ draft, change, action }: FormProps, name: TextName) => ({
  name,
  value: draft[name],
  fault: action.faultOf(name),
  onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
});
