namespace Gauntlet.Fuzz.Qemu;

/// <summary>What AddressSanitizer said before it ended a program, in words that are the same for the same fault.</summary>
/// <param name="Kind"><c>heap-buffer-overflow</c>, <c>SEGV</c>, <c>attempting double-free</c> …</param>
/// <param name="Places">Innermost functions of the program itself, each once; offsets in it where it was not symbolized.</param>
public sealed record SanitizerReport(string Kind, IReadOnlyList<string> Places)
{
    private const int PlacesInBucket = 3, MostFrames = 256, LongestName = 120;

    private const string Mark = "ERROR: AddressSanitizer: ";

    // What a report comes through on its way; the same for all.
    private static readonly string[] Runtime = ["__asan_", "__interceptor_", "__sanitizer_", "__ubsan_", "___interceptor_"];

    public string Bucket => Places.Count == 0 ? $"AddressSanitizer {Kind}" : $"AddressSanitizer {Kind}: {string.Join(" < ", Places)}";

    /// <summary>For a program that may have been built with it: its options (Clang's AddressSanitizer, "Run-time flags").</summary>
    /// <param name="symbolize">With functions and lines: a second or more for a program of QEMU's size.</param>
    /// <remarks>Leaks are not what is looked for; an allocation that is too large fails as it does without the sanitizer.</remarks>
    public static IReadOnlyDictionary<string, string> Variables(bool symbolize) => new Dictionary<string, string>
    {
        ["ASAN_OPTIONS"] = $"detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:handle_abort=0:disable_coredump=1:symbolize={(symbolize ? 1 : 0)}",
    };

    /// <summary>The first report in what a program wrote to its standard error; null where there is none.</summary>
    public static SanitizerReport? Parse(string errors)
    {
        var start = errors.IndexOf(Mark, StringComparison.Ordinal);
        if (start < 0)
            return null;
        string? kind = null;
        var (places, frames) = (new List<string>(), 0);
        foreach (var raw in errors.AsSpan(start + Mark.Length).EnumerateLines())
        {
            if (kind is null)
            {
                kind = KindOf(raw);
                continue;
            }
            var line = raw.Trim();
            if (!line.StartsWith("#"))
            {
                // Where memory was allocated and freed comes behind the stack of the fault.
                if (frames > 0)
                    break;
                continue;
            }
            if (++frames > MostFrames || places.Count == PlacesInBucket)
                break;
            if (PlaceOf(line) is { } place && !places.Contains(place))
                places.Add(place);
        }
        return new SanitizerReport(kind ?? "report", places);
    }

    // "heap-buffer-overflow on address …", "attempting double-free on …", "SEGV on unknown address …", "negative-size-param: (size=-1)".
    private static string KindOf(ReadOnlySpan<char> text)
    {
        const string Attempting = "attempting ", Requested = "requested allocation size";
        if (text.StartsWith(Requested))
            return Requested;
        var from = text.StartsWith(Attempting) ? Attempting.Length : 0;
        var end = from;
        while (end < text.Length && end < LongestName && (char.IsAsciiLetterOrDigit(text[end]) || text[end] is '-' or '_'))
            end++;
        return end == from ? "report" : text[..end].ToString();
    }

    // "#1 0x55d0 in lsi_execute_script ../hw/scsi/lsi53c895a.c:1240:9", "#1 0x55d0 in memcpy (/usr/lib/libc.so.6+0x10)", "#1 0x55d0 (/usr/bin/qemu-system-x86_64+0x8b1234) (BuildId: 0a)".
    private static string? PlaceOf(ReadOnlySpan<char> line)
    {
        var address = line.IndexOf(" 0x");
        if (address < 0)
            return null;
        var rest = line[(address + 1)..];
        var space = rest.IndexOf(' ');
        if (space < 0)
            return null;
        rest = rest[(space + 1)..].TrimStart();
        ReadOnlySpan<char> function = default;
        if (rest.StartsWith("in "))
        {
            rest = rest[3..];
            space = rest.IndexOf(' ');
            function = space < 0 ? rest : rest[..space];
            rest = space < 0 ? default : rest[(space + 1)..];
            foreach (var prefix in Runtime)
            {
                if (function.StartsWith(prefix))
                    return null;
            }
        }
        if (rest.Contains("compiler-rt", StringComparison.Ordinal))
            return null;
        if (rest.StartsWith("("))
        {
            var plus = rest.IndexOf("+0x");
            // A library's function is on the way to the fault, and none of the program's own.
            if (plus < 0 || rest[..plus].Contains(".so", StringComparison.Ordinal))
                return null;
            if (function.IsEmpty)
            {
                var offset = rest[(plus + 1)..];
                var close = offset.IndexOf(')');
                function = $"+{offset[..Math.Min(close < 0 ? offset.Length : close, LongestName)]}";
            }
        }
        return function.IsEmpty ? null : function[..Math.Min(function.Length, LongestName)].ToString();
    }
}
