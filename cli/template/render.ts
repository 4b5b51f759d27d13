// Templates as the commands use them: parse once, render for many values.

import { type EvaluationOptions, evaluateTemplate } from './evaluate.ts';
import { headerFunctions, type TemplateFunction, templateFunctions } from './functions.ts';
import type { Template } from './nodes.ts';
import { parseTemplate } from './parser.ts';

export interface CompiledTemplate {
  render(data: unknown, rules?: Omit<EvaluationOptions, 'functions'>): string;
  /** With the titles of the columns in place of the values. */
  renderHeader(data: unknown): string;
}

export function compileTemplate(source: string, extra: Record<string, TemplateFunction> = {}): CompiledTemplate {
  const functions = templateFunctions();
  for (const [name, implementation] of Object.entries(extra)) functions.set(name, implementation);
  const template: Template = parseTemplate(source, new Set(functions.keys()));
  return {
    render: (data, rules) => evaluateTemplate(template, data, { functions, ...rules }),
    renderHeader: (data) => evaluateTemplate(template, data, { functions: headerFunctions(), missingKey: () => '' }),
  };
}
