import { Gauge, KeyRound, MessagesSquare, Settings2, SquareTerminal, Wrench } from "lucide-react";

/** Where one can go, with the key that follows `g`. `short`: for a narrow screen. */
export const ROOMS = [
  { href: "/", name: "Overview", short: "Overview", key: "o", icon: Gauge },
  { href: "/conversations", name: "Conversations", short: "Chats", key: "c", icon: MessagesSquare },
  { href: "/keys", name: "Keys", short: "Keys", key: "k", icon: KeyRound },
  { href: "/tools", name: "Tools", short: "Tools", key: "t", icon: Wrench },
  { href: "/playground", name: "Playground", short: "Play", key: "p", icon: SquareTerminal },
  { href: "/settings", name: "Settings", short: "Settings", key: "s", icon: Settings2 },
] as const;
