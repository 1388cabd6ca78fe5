namespace Gauntlet.Pipelines.Bench;

/// <summary>The messages of a report in checkpatch's format.</summary>
internal static class ReportMessages
{
    /// <summary>Each message with the lines beneath it, in order.</summary>
    public static List<string> Split(string report)
    {
        var messages = new List<string>();
        var current = new List<string>();
        var inside = false;
        foreach (var line in report.Split('\n'))
        {
            var starts = line.StartsWith("ERROR:", StringComparison.Ordinal) || line.StartsWith("WARNING:", StringComparison.Ordinal)
                || line.StartsWith("CHECK:", StringComparison.Ordinal);
            var ends = line.StartsWith("total: ", StringComparison.Ordinal);
            if (starts || ends)
            {
                if (inside)
                    messages.Add(string.Join('\n', current).TrimEnd('\n'));
                current.Clear();
                inside = starts;
            }
            if (inside)
                current.Add(line);
        }
        if (inside)
            messages.Add(string.Join('\n', current).TrimEnd('\n'));
        return messages;
    }

    /// <summary>The type that <c>--show-types</c> puts before a message.</summary>
    public static string TypeOf(string message)
    {
        var parts = message.Split(':', 3);
        return parts.Length == 3 ? parts[1] : "";
    }

    /// <summary>What kind of message one is: its first line without what it quotes.</summary>
    public static string KindOf(string message)
    {
        var end = message.IndexOf('\n', StringComparison.Ordinal);
        var line = end < 0 ? message : message[..end];
        line = System.Text.RegularExpressions.Regex.Replace(line, "\\(ctx:...\\)|\\(\\d+, \\d+\\)|\"[^\"]*\"|'[^']*'", "…");
        return line.Length > 90 ? line[..90] : line;
    }
}
