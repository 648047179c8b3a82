import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/read-config.ts";
import { checkResolvedAddress, checkServerUrl } from "../../src/tools/addresses/address-policy.ts";

const SECRETS = { JWT_SECRET: "long enough for a test", ADMIN_PASSWORD: "a password for tests" };

/** The rules of a server that is open to the network, with these exceptions. */
const rules = (allowed = "", more: Record<string, string> = {}) =>
  readConfig({
    ...SECRETS,
    NODE_ENV: "production",
    HOST: "0.0.0.0",
    MCP_ALLOWED_PRIVATE_HOSTS: allowed,
    ...more,
  });

const check = (url: string, allowed = "") =>
  checkServerUrl(rules(allowed), new URL(url), { resolves: true });
const resolved = (address: string, allowed = "", hostname = "mcp.example") =>
  checkResolvedAddress(rules(allowed), { hostname, address, isEncrypted: true });

describe("the address of a remote MCP server", () => {
  it.each([
    ["127.0.0.1", "loopback"],
    ["127.1", "loopback"],
    ["0x7f.1", "loopback"],
    ["0177.0.0.1", "loopback"],
    ["2130706433", "loopback"],
    ["127.0.0.1.", "loopback"],
    ["0x7f000001", "loopback"],
    ["0x7F.0x0.0x0.0x1", "loopback"],
    ["017700000001", "loopback"],
    ["127.0.1", "loopback"],
    ["127.65535", "loopback"],
    ["127.1.", "loopback"],
    ["%31%32%37.0.0.1", "loopback"],
    ["0251.0376.0251.0376", "link-local"],
    ["2852039166", "link-local"],
    ["10.1", "private"],
    ["0xa.0x0.0x0.0x1", "private"],
    ["192.168.257", "private"],
    ["10.0.0.1.", "private"],
    ["１２７.0.0.1", "loopback"],
    ["[::1]", "loopback"],
    ["[0:0:0:0:0:0:0:1]", "loopback"],
    ["[::ffff:127.0.0.1]", "loopback"],
    ["[::ffff:7f00:1]", "loopback"],
    ["[64:ff9b::127.0.0.1]", "loopback"],
    ["[2002:7f00:1::]", "loopback"],
    ["[2002:7f00:1:ffff:ffff:ffff:ffff:ffff]", "loopback"],
    ["[2002:a00:1::1]", "private"],
    ["[2002:a9fe:a9fe::]", "link-local"],
    ["[2002:e000:1::]", "multicast"],
    ["[::ffff:10.0.0.1]", "private"],
    ["[::ffff:0.0.0.0]", "unspecified"],
    ["[::ffff:6440:1]", "CGNAT"],
    ["[::FFFF:C0A8:1]", "private"],
    ["[0:0:0:0:0:ffff:127.0.0.1]", "loopback"],
    ["[64:ff9b::a9fe:a9fe]", "link-local"],
    ["[64:ff9b::]", "unspecified"],
    ["[2001::7f00:1]", "reserved"],
    ["[fec0::1]", "private"],
    ["169.254.169.254", "link-local"],
    ["[::ffff:a9fe:a9fe]", "link-local"],
    ["[fe80::1]", "link-local"],
    ["[febf::1]", "link-local"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.0.1", "private"],
    ["[fd00::1]", "private"],
    ["[fd00:ec2::254]", "private"],
    ["[64:ff9b::10.0.0.1]", "private"],
    ["[64:ff9b:1::8.8.8.8]", "private"],
    ["100.64.0.1", "CGNAT"],
    ["100.100.100.200", "CGNAT"],
    ["168.63.129.16", "metadata"],
    ["0.0.0.0", "unspecified"],
    ["0", "unspecified"],
    ["[::]", "unspecified"],
    ["224.0.0.1", "multicast"],
    ["[ff02::1]", "multicast"],
    ["255.255.255.255", "reserved"],
    ["198.18.0.1", "reserved"],
    ["192.0.0.192", "reserved"],
    ["[::127.0.0.1]", "reserved"],
    ["[::ffff:0:7f00:1]", "reserved"],
    ["[2001:0:a::1]", "reserved"],
    ["[2001:db8::1]", "reserved"],
    ["localhost", "this machine"],
    ["LOCALHOST.", "this machine"],
    ["mcp.localhost", "this machine"],
    ["metadata.google.internal", "private network"],
    ["printer.local", "private network"],
  ])("may not be https://%s, which is %s", (host, kind) => {
    const reason = check(`https://${host}/mcp`);
    expect(reason).toContain(kind);
    expect(reason).toContain("MCP_ALLOWED_PRIVATE_HOSTS");
  });

  it.each([
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "[2606:4700::1111]",
    "[64:ff9b::8.8.8.8]",
    "[::ffff:8.8.8.8]",
    "[2002:808:808::1]",
    "0x08080808",
    "010.010.010.010",
    "8.8.8.8.",
    "[64:ff9a::7f00:1]",
    "127.evil.example",
    "mcp.example",
    "internal.example",
    "notlocalhost",
  ])("may be https://%s", (host) => {
    expect(check(`https://${host}/mcp`)).toBeNull();
  });

  it("must be https, unless the host is one that the operator allows", () => {
    expect(check("http://mcp.example/mcp")).toContain("plain http");
    expect(check("http://8.8.8.8/mcp")).toContain("plain http");
    expect(check("ftp://mcp.example/mcp")).toContain("https://");
    for (const [url, allowed] of [
      ["http://my-mcp:8080/mcp", "my-mcp"],
      ["http://MY-MCP./mcp", "other, My-Mcp"],
      ["http://10.1.2.3/mcp", "10.1.2.3"],
      ["http://10.1.2.3/mcp", "10.0.0.0/8"],
      ["http://[::ffff:10.1.2.3]/mcp", "10.0.0.0/8"],
      ["http://[fd00::7]/mcp", "FD00::/8"],
      ["https://[::1]/mcp", "[::1]"],
      ["http://127.0.0.1:3001/mcp", "0.0.0.0/0"],
    ] as const) {
      expect(check(url, allowed), `${url} with ${allowed}`).toBeNull();
      expect(check(url, "another.example, 192.168.7.1"), url).not.toBeNull();
    }
  });

  it("may be loopback in development on loopback, but no server elsewhere may point there", () => {
    const local = rules("", { NODE_ENV: "development", HOST: "127.0.0.1" });
    const from = new URL("https://mcp.example/mcp");
    for (const url of [
      "http://127.0.0.1:9/mcp",
      "http://localhost:9/mcp",
      "http://[::1]:9/mcp",
      "http://mcp.localhost/mcp",
    ]) {
      expect(checkServerUrl(local, new URL(url), { resolves: true }), url).toBeNull();
      expect(
        checkServerUrl(local, new URL(url), {
          resolves: true,
          from: new URL("http://localhost:1/mcp"),
        }),
        url,
      ).toBeNull();
      expect(checkServerUrl(local, new URL(url), { resolves: true, from }), url).not.toBeNull();
    }
    expect(checkServerUrl(local, new URL("http://10.0.0.1/mcp"), { resolves: true })).toContain(
      "private",
    );
    expect(
      checkResolvedAddress(local, {
        hostname: "rebound.example",
        address: "127.0.0.1",
        isEncrypted: true,
      }),
    ).toContain("loopback");
    expect(
      checkResolvedAddress(local, { hostname: "localhost", address: "::1", isEncrypted: false }),
    ).toBeNull();
    for (const env of [
      { NODE_ENV: "development", HOST: "0.0.0.0" },
      { NODE_ENV: "production", HOST: "127.0.0.1" },
    ])
      expect(
        checkServerUrl(rules("", env), new URL("http://127.0.0.1:9/mcp"), { resolves: true }),
      ).not.toBeNull();
  });
});

describe("the address that a name leads to", () => {
  it("is judged as the name itself would be", () => {
    for (const address of [
      "127.0.0.1",
      "::1",
      "10.0.0.1",
      "169.254.169.254",
      "::ffff:127.0.0.1",
      "64:ff9b::a00:1",
      "fe80::1%eth0",
      "::1%lo",
      "::ffff:10.0.0.1%1",
      "fd00::1%25eth0",
      "2002:7f00:1::",
      "FE80::1",
      "fd00::1",
    ])
      expect(resolved(address), address).toContain(`mcp.example leads to ${address}, which is `);
    for (const address of [
      "8.8.8.8",
      "2606:4700::1111",
      "2606:4700::1111%eth0",
      "64:ff9b::808:808",
    ])
      expect(resolved(address), address).toBeNull();
    for (const address of ["no address", "", "8.8.8.8/32", "8.8.8.8.8", ":::", "256.1.1.1"])
      expect(resolved(address), address).not.toBeNull();
    expect(resolved("no address")).toContain("no IP address");
  });

  it("may be private where its name, its address or its network is allowed, and plain http there only", () => {
    expect(resolved("172.18.0.5", "my-mcp", "my-mcp")).toBeNull();
    expect(resolved("172.18.0.5", "172.16.0.0/12", "my-mcp")).toBeNull();
    expect(resolved("172.18.0.5", "172.18.0.5", "my-mcp")).toBeNull();
    expect(resolved("10.0.0.5", "172.16.0.0/12", "my-mcp")).toContain("private");
    const plain = (address: string) =>
      checkResolvedAddress(rules("172.16.0.0/12"), {
        hostname: "my-mcp",
        address,
        isEncrypted: false,
      });
    expect(plain("172.18.0.5")).toBeNull();
    expect(plain("8.8.8.8")).toContain("plain http");
  });

  it("decides about names where the operator allows whole networks, if the runtime knows it", () => {
    const allowed = rules("172.16.0.0/12");
    for (const url of ["http://my-mcp:8080/mcp", "https://mcp.svc.internal/mcp"]) {
      expect(checkServerUrl(allowed, new URL(url), { resolves: true })).toBeNull();
      expect(checkServerUrl(allowed, new URL(url), { resolves: false })).not.toBeNull();
    }
  });
});

describe("MCP_ALLOWED_PRIVATE_HOSTS", () => {
  it("is names, addresses and networks, in one spelling", () => {
    const { mcpAllowedPrivateHosts } = rules(
      " My-Mcp ,10.0.0.0/8, FD00:0::/8,[::1],127.0.0.1,,mcp.example.",
    );
    expect(mcpAllowedPrivateHosts).toEqual([
      "my-mcp",
      "10.0.0.0/8",
      "fd00::/8",
      "::1",
      "127.0.0.1",
      "mcp.example",
    ]);
  });

  it.each([
    "http://my-mcp",
    "my-mcp:8080",
    "10.0.0.0/33",
    "fd00::/129",
    "my-mcp/8",
    "10.0.0.0/",
    "*",
    "a b",
    "10.0.0",
    "[::1",
    "::1]",
    "[10.0.0.1]",
    "fe80::1%eth0",
    "010.0.0.1",
    "0x7f.0.0.1",
    "127.1",
    "2130706433",
    "10.0.0.1.",
    "10.0.0.0/8/8",
    "10.0.0.256",
  ])("is refused with %s in it", (text) => {
    expect(() => rules(`fine, ${text}`)).toThrow(`MCP_ALLOWED_PRIVATE_HOSTS has "${text}"`);
  });
});
