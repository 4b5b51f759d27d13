/** What a comment says of a stage: `# name what it is`. */
export function describedBy(comments: readonly string[], name: string): string | undefined {
  const prefix = `${name} `;
  return comments.find((comment) => comment.startsWith(prefix))?.slice(prefix.length);
}
