import { Search } from "lucide-react";
import { useEffect, useState } from "react";
import { navigate, withQuery, type Place } from "../router.tsx";

/** How long a word is waited for to be typed. */
const TYPING_MS = 300;

/** A text that becomes part of the address when its typing pauses. */
export function useTyped(place: Place, name: string): [string, (text: string) => void] {
  const given = place.query.get(name) ?? "";
  const [typed, setTyped] = useState({ text: given, given });
  // The address was changed by something else.
  if (typed.given !== given && typed.text.trim() !== given) setTyped({ text: given, given });
  useEffect(() => {
    if (typed.text.trim() === given) return undefined;
    const change = () => {
      // While another view is being loaded, this one is still there, but unseen: it must not lead
      // back.
      if (location.pathname + location.search === place.href)
        navigate(withQuery(place, { [name]: typed.text.trim() }), { replace: true });
    };
    const timer = setTimeout(change, TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed.text, given, place, name]);
  return [typed.text, (text) => setTyped({ text, given })];
}

/** The search of a list, in the parameter `q` of the address. `/` leads here. */
export function SearchField({
  place,
  label,
  placeholder,
}: {
  place: Place;
  label: string;
  placeholder: string;
}) {
  const [text, setText] = useTyped(place, "q");
  return (
    <label className="search">
      <Search aria-hidden="true" />
      <span className="unseen">{label}</span>
      <input
        type="search"
        data-search
        placeholder={placeholder}
        value={text}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}
