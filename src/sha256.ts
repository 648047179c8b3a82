/** SHA-256, of the runtime's own: `#sha256` in package.json says whose. */
export interface Sha256 {
  /**
   * In hexadecimal.
   * @param data a text as UTF-8 (a lone surrogate counts as U+FFFD), or bytes
   */
  (data: string | Uint8Array): string;
}

export declare const sha256Hex: Sha256;
