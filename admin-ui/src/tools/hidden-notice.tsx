import type { Tool } from "../api-shapes.ts";
import { Notice } from "../parts/notice.tsx";

/** Says where a tool tells models what people cannot see; nothing where it does not. */
export function HiddenNotice({ found }: { found: Tool["hiddenText"] }) {
  if (found === undefined) return null;
  return (
    <Notice tone="bad">
      Hidden characters: models read what you cannot see here.
      <ul>
        {found.map(({ field, kinds, count, shown }) => (
          <li key={field}>
            <code>{field}</code>: {count} ({kinds.join(", ")}): <code>{shown}</code>
          </li>
        ))}
      </ul>
    </Notice>
  );
}
