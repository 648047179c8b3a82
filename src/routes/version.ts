/** The version in `package.json`, which is not there when the Worker runs. A test compares them. */
export const VERSION = "0.1.0";
