// The help texts of `--format`, the same in many commands.

const tail = `'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`;

export const inspectFormatHelp = `Format output using a custom template:\n${tail}`;

export const listFormatHelp = `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
${tail}`;
