namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>
/// A patch taken apart without loss: printing it gives the input again. Lines keep their ends; what is not understood stays as text where it stood.
/// </summary>
/// <param name="Preamble">Lines before the first file: mail headers, log, diffstat.</param>
/// <param name="Trailer">Lines after the last hunk: the mail's signature.</param>
public sealed record PatchDocument(IReadOnlyList<string> Preamble, IReadOnlyList<PatchFile> Files, IReadOnlyList<string> Trailer)
{
    public bool Equals(PatchDocument? other) =>
        other is not null && Preamble.SequenceEqual(other.Preamble) && Files.SequenceEqual(other.Files) && Trailer.SequenceEqual(other.Trailer);

    public override int GetHashCode() => HashCode.Combine(Preamble.Count, Files.Count, Trailer.Count);
}

/// <summary>One file's part of a patch.</summary>
/// <param name="Header">From <c>diff --git</c> or <c>---</c> to before the first hunk, extended headers and binary data too.</param>
/// <param name="OldPath">Path before, without prefix; null when the file is new or the header names none.</param>
/// <param name="NewPath">Path after, without prefix; null when the file is deleted or the header names none.</param>
public sealed record PatchFile(IReadOnlyList<string> Header, FileChange Change, string? OldPath, string? NewPath, bool IsBinary, IReadOnlyList<PatchHunk> Hunks)
{
    public bool Equals(PatchFile? other) =>
        other is not null && Change == other.Change && OldPath == other.OldPath && NewPath == other.NewPath && IsBinary == other.IsBinary
        && Header.SequenceEqual(other.Header) && Hunks.SequenceEqual(other.Hunks);

    public override int GetHashCode() => HashCode.Combine(Change, OldPath, NewPath, Hunks.Count);
}

/// <summary>What happens to a file.</summary>
public enum FileChange
{
    Modified,
    Added,
    Deleted,
    Renamed,
    Copied,
    ModeChanged,
}

/// <summary>A hunk.</summary>
/// <param name="Header">The range line with its end.</param>
/// <param name="Lines">Lines with their markers and ends, <c>\ No newline at end of file</c> among them.</param>
/// <param name="IsComplete">The lines are as many as the header says.</param>
public sealed record PatchHunk(string Header, Source.HunkHeader Range, IReadOnlyList<string> Lines, bool IsComplete)
{
    public bool Equals(PatchHunk? other) => other is not null && Header == other.Header && Range == other.Range && IsComplete == other.IsComplete && Lines.SequenceEqual(other.Lines);

    public override int GetHashCode() => HashCode.Combine(Header, Lines.Count);
}
