// The rules for the page's JavaScript and for the browser tests' own. The types come from JSDoc; see tsconfig.json.
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

// typescript-eslint forbids `any` in TypeScript only: in JavaScript a type stands in a comment.
const noAny = {
  meta: { type: "problem", schema: [], messages: { any: "Write a type, or `unknown` and narrow it." } },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const jsdoc = comment.type === "Block" && comment.value.startsWith("*");
        const any = /[{<>|(,:]\s*any\s*[}>|),[]/.test(comment.value);
        if (jsdoc && any) context.report({ loc: comment.loc, messageId: "any" });
      }
    },
  }),
};

export default defineConfig(
  { ignores: ["**/node_modules/", ".venv/", "dist/", "benchmarks/"] },
  {
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { local: { rules: { "no-any": noAny } } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } },
    },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-lines": ["error", 250],
      "no-implicit-globals": "error",
      "no-undef": "off", // tsc knows more about names
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "local/no-any": "error",
      // `() => f()` is a callback, whatever f gives.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // The reason of an abort signal is passed on, whatever it is.
      "@typescript-eslint/prefer-promise-reject-errors": ["error", { allowThrowingAny: true }],
      // A number in a text is what it looks like.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  // Only a `var` is a property of globalThis.
  { files: ["**/*.d.ts"], rules: { "no-var": "off" } },
  // The configuration itself has no types.
  { files: ["eslint.config.js"], extends: [tseslint.configs.disableTypeChecked] },
);
