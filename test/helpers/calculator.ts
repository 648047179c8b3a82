/** The function tool of the product brief; a test makes its name unique. */
export const CALCULATOR = {
  name: "calculator",
  description: "Perform mathematical calculations",
  type: "function",
  parameters: {
    type: "object",
    properties: {
      expression: { type: "string", description: "Mathematical expression to evaluate" },
    },
    required: ["expression"],
  },
  implementation: "return { result: eval(args.expression) };",
};
