namespace Gauntlet.Pipelines.Checks;

/// <summary>What the input's names are.</summary>
public enum InputKind
{
    /// <summary>Told by the first name: a range has two dots, a source file its suffix.</summary>
    Detect,

    /// <summary>Patches or mails.</summary>
    Patches,

    /// <summary>Source files, checked as a whole.</summary>
    Files,

    /// <summary>A range of commits.</summary>
    Range,

    /// <summary>What is staged for the next commit.</summary>
    Staged,
}

/// <summary>How findings are written.</summary>
public enum ReportFormat
{
    Text,
    Json,
    Sarif,
    GitHub,
    GitLab,
}

/// <summary>What <c>gauntlet check</c> was asked.</summary>
public sealed record CheckOptions
{
    public InputKind Kind { get; init; } = InputKind.Detect;

    /// <summary>Files, <c>-</c> for standard input, or a range of commits.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>Name of the rule set; null to find it from the tree.</summary>
    public string? Rules { get; init; }

    public ReportFormat Format { get; init; } = ReportFormat.Text;

    /// <summary>How often <c>-q</c> was given.</summary>
    public int Quiet { get; init; }

    public bool SignOff { get; init; } = true;

    /// <summary>Warnings fail; with Linux's rules, matters of taste are reported.</summary>
    public bool Strict { get; init; }

    public bool Terse { get; init; }

    /// <summary>Each message begins with <c>file:line:</c>.</summary>
    public bool Emacs { get; init; }

    public bool ShowTypes { get; init; }

    public bool Summary { get; init; } = true;

    public bool SummaryFile { get; init; }

    /// <summary>Says nothing of clean patches.</summary>
    public bool Mailback { get; init; }

    public bool MustBePatch { get; init; } = true;

    /// <summary>Looks for the source tree that the patch is for.</summary>
    public bool Tree { get; init; } = true;

    /// <summary>Root of the source tree; null to look for it from the working directory.</summary>
    public string? Root { get; init; }

    /// <summary>Where git is asked.</summary>
    public string Folder => Root ?? ".";

    /// <summary>Columns; 0 for the rule set's own limits.</summary>
    public int MaxLineLength { get; init; }

    public IReadOnlyList<string> Types { get; init; } = [];

    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>Only messages that hold this text.</summary>
    public string? TestOnly { get; init; }

    /// <summary>Does what the project's own checker does where that is wrong.</summary>
    public bool Legacy { get; init; }

    /// <summary>Release of the project's own checker; null for the newest known.</summary>
    public Version? Release { get; init; }

    /// <summary>The inputs are one series, whose wholeness, changelog and sign-offs are checked too.</summary>
    public bool Series { get; init; }

    /// <summary>Writes each patch with what can be fixed mechanically done.</summary>
    public bool Fix { get; init; }

    /// <summary>Rule to explain, or <c>all</c>.</summary>
    public string? Explain { get; init; }

    /// <summary>Names all rules.</summary>
    public bool ListTypes { get; init; }

    /// <summary>codespell's dictionary; null when it is not asked for.</summary>
    public string? CodespellFile { get; init; }

    /// <summary>Prints all rules as Markdown.</summary>
    public bool Manual { get; init; }

    public bool Help { get; init; }
}
