namespace Gauntlet.Pipelines.Checks.Inputs;

/// <summary>Something to check, not read yet.</summary>
/// <param name="Name">As given: the file's path, <c>-</c>, or the commit.</param>
/// <param name="DisplayName">How the closing sentence names it.</param>
/// <param name="Announcement">Line that says that it is checked next; null for none.</param>
/// <param name="WholeFile">A source file, shown as a patch that adds it.</param>
/// <param name="Read">Its bytes. Throws <see cref="Gauntlet.Terminal.UserException"/>-free I/O exceptions, which the caller words.</param>
internal sealed record PatchInput(string Name, string DisplayName, string? Announcement, bool WholeFile, Func<byte[]> Read);
