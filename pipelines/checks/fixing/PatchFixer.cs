using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Fixing;

/// <summary>
/// Puts right in a patch what needs no judgement. Only added lines and trailers change, never their number, so hunks stay as they are; everything else is printed as it
/// was read.
/// </summary>
internal static class PatchFixer
{
    /// <summary>Types that <see cref="Fix"/> knows how to put right.</summary>
    public static readonly string[] Types =
    [
        "TRAILING_WHITESPACE", "DOS_LINE_ENDINGS", "BAD_SIGN_OFF", "SIGN_OFF_SPACE", "ONE_SEMICOLON", "USE_FUNC", "QEMU_SPELLING", "KEYWORD_SPACE", "BRACE_SPACE",
        "PYTHON_INTERPRETER",
    ];

    /// <summary>The patch with what can be fixed done; how many lines changed.</summary>
    public static string Fix(CheckedPatch patch, out int changed)
    {
        var fixes = new Dictionary<int, List<string>>();
        foreach (var finding in patch.Findings)
        {
            if (Array.IndexOf(Types, finding.Rule.Id) < 0)
                continue;
            if (!fixes.TryGetValue(finding.PatchLine, out var types))
                fixes[finding.PatchLine] = types = [];
            types.Add(finding.Rule.Id);
        }
        changed = 0;
        var fixedText = new System.Text.StringBuilder(patch.Lines.Text.Length);
        for (var i = 0; i < patch.Lines.Count; i++)
        {
            var line = patch.Lines.LineString(i);
            if (fixes.TryGetValue(i + 1, out var types))
            {
                var better = types.Aggregate(line, FixLine);
                changed += better == line ? 0 : 1;
                line = better;
            }
            fixedText.Append(line);
            if (i + 1 < patch.Lines.Count || patch.Lines.Text.EndsWith('\n'))
                fixedText.Append('\n');
        }
        return fixedText.ToString();
    }

    /// <summary>Code in strings and comments is not code.</summary>
    private static bool IsOnlyCode(string line) => line.AsSpan().IndexOfAny('"', '\'') < 0 && !line.Contains("/*", StringComparison.Ordinal);

    private static string FixLine(string line, string type) => type switch
    {
        "TRAILING_WHITESPACE" or "DOS_LINE_ENDINGS" => line[0] + Scan.TrimEnd(line.AsSpan(1)).ToString(),
        "BAD_SIGN_OFF" or "SIGN_OFF_SPACE" => SignOff(line),
        "ONE_SEMICOLON" => line.TrimEnd(';') + ";",
        "USE_FUNC" => line.Replace("__FUNCTION__", "__func__", StringComparison.Ordinal),
        "QEMU_SPELLING" => ReplaceWord(ReplaceWord(line, "Qemu", "QEMU"), "QEmu", "QEMU"),
        "KEYWORD_SPACE" when IsOnlyCode(line) => SpaceAfterKeywords(line),
        "BRACE_SPACE" when IsOnlyCode(line) => line.Replace("){", ") {", StringComparison.Ordinal).Replace("do{", "do {", StringComparison.Ordinal),
        "PYTHON_INTERPRETER" => line + "3",
        _ => line,
    };

    private static string SignOff(string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? line : "Signed-off-by: " + line[(colon + 1)..].TrimStart();
    }

    private static string SpaceAfterKeywords(string line)
    {
        foreach (var word in (ReadOnlySpan<string>)["if", "while", "for", "switch"])
        {
            for (var at = Scan.FindCall(line, word, spaces: false); at >= 0; at = Scan.FindCall(line, word, spaces: false, at + 1))
                line = line.Insert(at + word.Length, " ");
        }
        return line;
    }

    private static string ReplaceWord(string line, string word, string replacement)
    {
        for (var at = Scan.FindWord(line, word); at >= 0; at = Scan.FindWord(line, word, at + replacement.Length))
            line = string.Concat(line.AsSpan(0, at), replacement, line.AsSpan(at + word.Length));
        return line;
    }
}
