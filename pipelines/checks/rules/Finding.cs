namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>What a text report shows beneath a finding's message.</summary>
public enum Excerpt
{
    /// <summary>Nothing, not even an empty line.</summary>
    Bare,

    /// <summary>An empty line.</summary>
    None,

    /// <summary>The place only.</summary>
    Place,

    /// <summary>The line.</summary>
    Line,

    /// <summary>The line before and the line.</summary>
    PreviousLine,

    /// <summary>The line with its control characters visible.</summary>
    Visible,

    /// <summary>The line and a mark beneath one of its columns, <see cref="Finding.Argument"/>.</summary>
    Pointer,

    /// <summary>Text that the rule gives.</summary>
    Text,
}

/// <summary>Something that a rule found. A class, so that lists of it are compiled already when the program starts.</summary>
/// <param name="Message">One line.</param>
/// <param name="PatchLine">Line in the patch, from 1; 0 for the patch as a whole.</param>
/// <param name="File">The file that the patch changes there; empty outside of files.</param>
/// <param name="FileLine">Line in the file after the patch, from 1; 0 outside of hunks.</param>
/// <param name="Argument">Column for <see cref="Excerpt.Pointer"/>, index of the line for <see cref="Excerpt.PreviousLine"/>.</param>
public sealed record Finding(
    Rule Rule,
    Severity Severity,
    string Message,
    int PatchLine,
    string File,
    int FileLine,
    Excerpt Excerpt,
    int Argument,
    string? Text);
