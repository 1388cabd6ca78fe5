using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Who signed, reviewed and tested a patch, as its trailers say. One reader finds all; each kind of finding is a rule.</summary>
internal sealed partial class Trailers() : LineRule("BAD_SIGN_OFF", Severity.Warning, "Duplicate signature")
{
    private const string Before = "From: A <a@b.c>\nSubject: x\n\nlog\nmore\n\n";

    private const string After = "Signed-off-by: A <a@b.c>\n---\n--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n";

    private static readonly Example s_good = new(Before + After);

    private static readonly string[] s_standard =
        ["Signed-off-by:", "Co-developed-by:", "Acked-by:", "Tested-by:", "Reviewed-by:", "Reported-by:", "Suggested-by:"];

    private readonly HashSet<string> _seen = [];
    private string _author = "";

    public override Explanation Explanation => new("Scripts count trailers.", new(Before + "Cc: D <d@e.f>\nCc: D <d@e.f>\n" + After), s_good);

    /// <summary>How the author signed.</summary>
    private enum Signed
    {
        No,
        Same,
        OtherComment,
        OtherName,
        OtherAddress,
        OtherSubaddress,
    }

    private Signed _signed;
    private string _signedAs = "";

    private static WholeRule Bad(string message, string trailer, string why, Severity severity = Severity.Warning) =>
        new("BAD_SIGN_OFF", severity, message, () => new(why, new(Before + trailer + "\n" + After), s_good));

    private readonly WholeRule _nonStandard = Bad("Non-standard signature", "Rewieved-by: D <d@e.f>", "Scripts know the standard ones.");
    private readonly WholeRule _space = Bad("Do not use whitespace before a signature", "  Cc: D <d@e.f>", "Scripts look at the line's start.");
    private readonly WholeRule _form = Bad("another is the preferred signature form", "acked-by: D <d@e.f>", "Scripts look for one form.");
    private readonly WholeRule _single = Bad("Use a single space after a signature", "Acked-by:  D <d@e.f>", "As everybody writes it.");
    private readonly WholeRule _assisted = Bad("Assisted-by expects 'AGENT_NAME:MODEL_VERSION [TOOL1] [TOOL2]' format", "Assisted-by: D", "The model's version matters.");
    private readonly WholeRule _unrecognised = Bad("Unrecognized email address", "Acked-by: D", "Nobody can be asked.", Severity.Error);
    private readonly WholeRule _better = Bad("email address might be better", "Acked-by: D <d@e.f.>", "The address goes nowhere.");
    private readonly WholeRule _addressComment = Bad("address part of email should not have comments", "Acked-by: D <d(e)@e.f>", "Mail programs differ about them.");
    private readonly WholeRule _oneComment = Bad("Use a single name comment in email", "Acked-by: D (e) (f) <d@e.f>", "One says enough.");
    private readonly WholeRule _content = Bad("Unexpected content after email", "Acked-by: D <d@e.f> e", "Scripts take it for part of the address.");
    private readonly WholeRule _ownCredit = Bad("Co-developed-by: should not be used to attribute nominal patch author", "Co-developed-by: A <a@b.c>", "From: says it already.");
    private readonly WholeRule _mustFollow = Bad("Co-developed-by: must be immediately followed by Signed-off-by:", "Co-developed-by: D <d@e.f>\nAcked-by: E <e@e.f>", "Who wrote part of it signs too.");
    private readonly WholeRule _mismatch = Bad("Co-developed-by and Signed-off-by: name/email do not match ", "Co-developed-by: D <d@e.f>", "Who wrote part of it signs too.");

    private readonly WholeRule _stable = new(
        "BAD_STABLE_ADDRESS_STYLE", Severity.Warning, "Invalid email format for stable",
        () => new("The list's scripts read what follows the #.", new(Before + "Cc: Stable <stable@vger.kernel.org>\n" + After), new(Before + "Cc: stable@vger.kernel.org # 6.1\n" + After)));

    private readonly WholeRule _noAuthor = new(
        "NO_AUTHOR_SIGN_OFF", Severity.Error, "Missing Signed-off-by: line by nominal patch author",
        () => new("Only who wrote it can say that it may be passed on.", new(Before.Replace("From: A <a@b.c>", "From: D <d@e.f>", StringComparison.Ordinal) + After), s_good));

    private readonly WholeRule _otherComment = Mismatch(Severity.Check, "email comments mismatch", "A (b) <a@b.c>");
    private readonly WholeRule _otherName = Mismatch(Severity.Warning, "email name mismatch", "D <a@b.c>");
    private readonly WholeRule _otherAddress = Mismatch(Severity.Warning, "email address mismatch", "A <d@e.f>");
    private readonly WholeRule _otherSubaddress = Mismatch(Severity.Warning, "email subaddress mismatch", "A <a+d@b.c>");

    private static WholeRule Mismatch(Severity severity, string what, string author) => new(
        "FROM_SIGN_OFF_MISMATCH", severity, $"From:/Signed-off-by: {what}",
        () => new("Both are one person, or they are not.", new(Before.Replace("A <a@b.c>", author, StringComparison.Ordinal) + After), s_good));

    /// <summary>All rules that this reports.</summary>
    public IEnumerable<Rule> All =>
    [
        this, _nonStandard, _space, _form, _single, _assisted, _unrecognised, _better, _addressComment, _oneComment, _content, _ownCredit, _mustFollow, _mismatch, _stable, _noAuthor,
        _otherComment, _otherName, _otherAddress, _otherSubaddress,
    ];

    public override void Begin()
    {
        _seen.Clear();
        _author = _signedAs = "";
        _signed = Signed.No;
    }

    /// <summary>Reads the author and how the author signs, on each line.</summary>
    public void ReadAuthor(PatchScan scan)
    {
        var line = scan.Line;
        if (line.Length > PatternRule.MaxLine)
            return;
        if (line.StartsWith("From:"))
        {
            var author = new System.Text.StringBuilder(EncodedWords.Decode(Text.Scan.Trim(line["From:".Length..]).ToString()));
            for (var next = scan.Number; scan.Lines.Has(next) && scan.Lines[next] is [' ' or '\t', ..] && author.Length < PatternRule.MaxLine; next++)
                author.Append(EncodedWords.Decode(scan.Lines[next].TrimStart(" \t").ToString()));
            _author = MailAddress.Parse(author.Replace("\"", "").ToString()).Format();
        }
        var match = SignedOff().Match(scan.LineText);
        if (!match.Success || _author.Length == 0 || _signed == Signed.Same)
            return;
        Compare(match.Groups[1].Value);
    }

    private void Compare(string text)
    {
        var signer = MailAddress.Parse(text);
        var author = MailAddress.Parse(_author);
        var sameAddress = signer.Address.Equals(author.Address, StringComparison.OrdinalIgnoreCase);
        Signed? how = null;
        if (signer == author)
            how = Signed.Same;
        else if (sameAddress)
            how = signer.Name == author.Name ? Signed.OtherComment : Signed.OtherName;
        else if (signer.Name == author.Name)
            how = Subaddress().Replace(signer.Address, "$1$2") == Subaddress().Replace(author.Address, "$1$2") ? Signed.OtherSubaddress : Signed.OtherAddress;
        if (how is null)
            return;
        _signed = how.Value;
        _signedAs = text;
    }

    /// <summary>Says of the whole patch how its author signed it.</summary>
    public void Finish(PatchScan scan)
    {
        var rule = _signed switch
        {
            Signed.No => _noAuthor,
            Signed.OtherComment => _otherComment,
            Signed.OtherName => _otherName,
            Signed.OtherAddress => _otherAddress,
            Signed.OtherSubaddress => _otherSubaddress,
            _ => null,
        };
        if (rule == _noAuthor)
            scan.ReportPatch(rule, $"{rule.Message} '{_author}'");
        else if (rule is not null)
            scan.ReportPatch(rule, $"{rule.Message}: 'From: {_author}' != 'Signed-off-by: {_signedAs}'");
    }

    public override void Check(PatchScan scan)
    {
        if (scan.Line.Length > PatternRule.MaxLine || !scan.Line.Contains(':'))
            return;
        var match = Trailer().Match(scan.LineText);
        if (!match.Success)
            return;
        var (space, tag, gap, value) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value);
        var preferred = char.ToUpperInvariant(tag[0]) + tag[1..].ToLowerInvariant();
        if (!KnownTag().IsMatch(tag))
        {
            var meant = Array.Find(s_standard, standard => Distance(tag, standard) <= 2);
            scan.Report(_nonStandard, meant is null ? $"Non-standard signature: {tag}" : $"Non-standard signature: '{tag}' - perhaps '{meant}'?");
        }
        if (space.Length > 0)
            scan.Report(_space, $"Do not use whitespace before {preferred}");
        if (tag.EndsWith("-by:", StringComparison.OrdinalIgnoreCase) && tag != preferred)
            scan.Report(_form, $"'{preferred}' is the preferred signature form");
        if (gap != " ")
            scan.Report(_single, $"Use a single space after {preferred}");
        if (tag.StartsWith("Assisted-by:", StringComparison.OrdinalIgnoreCase))
        {
            if (!AgentAndModel().IsMatch(value))
                scan.Report(_assisted);
            return;
        }
        CheckAddress(scan, value);
        if (!_seen.Add(string.Concat(scan.LineText.Where(c => !Text.Scan.IsSpace(c))).ToLowerInvariant()))
            scan.Report(this);
        if (tag.Equals("co-developed-by:", StringComparison.OrdinalIgnoreCase))
            CheckCoDeveloper(scan, value);
    }

    private void CheckAddress(PatchScan scan, string value)
    {
        var address = MailAddress.Parse(value);
        var suggested = address.Format();
        if (suggested.Length == 0)
        {
            scan.Report(_unrecognised, $"Unrecognized email address: '{value}'");
            return;
        }
        if (MailAddress.Parse(suggested) != address)
            scan.Report(_better, $"email address '{value}' might be better as '{suggested}'");
        if (InParentheses().IsMatch(address.Address))
            scan.Report(_addressComment, $"address part of email should not have comments: '{address.Address}'");
        if (InParentheses().Count(address.NameComment) > 1)
            scan.Report(_oneComment, $"Use a single name comment in email: '{value}'");
        if (StableAddress().IsMatch(value))
            CheckStable(scan, value, address);
        else if (address.Comment.Length > 0 && !PlainComment().IsMatch(address.Comment))
            scan.Report(_content, $"Unexpected content after email: '{value}', should be: '{address.Format(Parenthesise(address.Comment))}'");
    }

    private void CheckStable(PatchScan scan, string value, MailAddress address)
    {
        if (address.Name.Length == 0 && (address.Comment.Length == 0 || address.Comment is ['#', _, ..]))
            return;
        var comment = address.Comment;
        if (comment is ['(', .., ')'] or ['[', .., ']'])
            comment = comment[1..^1];
        comment = comment.TrimStart(' ', '\t', '#').TrimEnd();
        var name = LettersOfName().Replace(address.Name, "");
        if (name != comment)
            comment = $"{comment} {name}".Trim();
        scan.Report(_stable, $"Invalid email format for stable: '{value}', prefer '{address.Address}{(comment.Length > 0 ? " # " + comment : "")}'");
    }

    private static string Parenthesise(string comment)
    {
        if (comment is ['[', .., ']'])
            comment = comment[1..^1];
        else if (comment.StartsWith("/*", StringComparison.Ordinal) && comment.EndsWith("*/", StringComparison.Ordinal) && comment.Length >= 4)
            comment = comment[2..^2];
        comment = comment.Trim();
        return comment.Length == 0 || (comment.Length == 1 && !Text.Scan.IsWord(comment[0])) ? "" : $"({comment})";
    }

    private void CheckCoDeveloper(PatchScan scan, string value)
    {
        if (value == _author)
            Show(scan, _ownCredit, $"Co-developed-by: should not be used to attribute nominal patch author '{_author}'", 1);
        if (!scan.Lines.Has(scan.Number))
            Show(scan, _mustFollow, null, 1);
        else if (SignedOff().Match(scan.Lines.LineString(scan.Number)) is not { Success: true } next)
            Show(scan, _mustFollow, null, 2);
        else if (next.Groups[1].Value != value)
            Show(scan, _mismatch, null, 2);
    }

    private static void Show(PatchScan scan, Rule rule, string? message, int lines) =>
        scan.ReportWithText(rule, string.Concat(Enumerable.Range(scan.Number - 1, lines).Select(index => scan.Lines.LineString(index) + "\n")), message);

    /// <summary>Insertions, deletions and replacements between two tags, hyphens and case aside (Levenshtein).</summary>
    private static int Distance(string left, string right)
    {
        (left, right) = (left.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant(), right.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant());
        if (Math.Abs(left.Length - right.Length) > 2)
            return int.MaxValue;
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var next = left[i - 1] == right[j - 1] ? diagonal : 1 + Math.Min(diagonal, Math.Min(row[j], row[j - 1]));
                (diagonal, row[j]) = (row[j], next);
            }
        }
        return row[^1];
    }

    private const string Known = "Signed-off-by:|Co-developed-by:|Acked-by:|Tested-by:|Reviewed-by:|Reported-by:|Suggested-by:|Assisted-by:|To:|Cc:";

    [GeneratedRegex(@"^(\s*)([A-Za-z0-9_-]+(?i:by:)|(?i:" + Known + @"))(\s*)(.*)")]
    private static partial Regex Trailer();

    [GeneratedRegex("(?i:" + Known + ")")]
    private static partial Regex KnownTag();

    [GeneratedRegex(@"^\s*(?i:signed-off-by):\s*(.*)")]
    private static partial Regex SignedOff();

    [GeneratedRegex(@"(\S+)\+\S+(@.*)")]
    private static partial Regex Subaddress();

    [GeneratedRegex(@"^\S+:\S+")]
    private static partial Regex AgentAndModel();

    [GeneratedRegex(@"\([^()]*\)")]
    private static partial Regex InParentheses();

    [GeneratedRegex(@"stable@(?:vger\.)?kernel\.org", RegexOptions.IgnoreCase)]
    private static partial Regex StableAddress();

    [GeneratedRegex(@"^(?:#.+|\(.+\))$")]
    private static partial Regex PlainComment();

    [GeneratedRegex(@"[A-Za-z\s""-]+")]
    private static partial Regex LettersOfName();
}

/// <summary>Words of a mail's header in another charset than ASCII (RFC 2047).</summary>
internal static partial class EncodedWords
{
    public static string Decode(string text) => text.Contains("=?", StringComparison.Ordinal) ? Word().Replace(text, DecodeWord) : text;

    private static string DecodeWord(Match match)
    {
        try
        {
            var bytes = match.Groups[2].Value is "b" or "B" ? Convert.FromBase64String(match.Groups[3].Value) : Quoted(match.Groups[3].Value);
            return match.Groups[1].Value.Equals("iso-8859-1", StringComparison.OrdinalIgnoreCase) ? ByteText.FromDisplay(System.Text.Encoding.Latin1.GetString(bytes)) : ByteText.Decode(bytes);
        }
        catch (FormatException)
        {
            return match.Value;
        }
    }

    private static byte[] Quoted(string text)
    {
        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '=' && i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), System.Globalization.NumberStyles.HexNumber, null, out var value))
            {
                bytes.Add(value);
                i += 2;
            }
            else
            {
                bytes.Add(text[i] == '_' ? (byte)' ' : (byte)text[i]);
            }
        }
        return [.. bytes];
    }

    [GeneratedRegex(@"=\?([A-Za-z0-9-]+)\?([bBqQ])\?([^?\s]*)\?=(?:\s+(?==\?))?")]
    private static partial Regex Word();
}
