using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>A name and an address of a trailer, with what is said beside them in parentheses or after them.</summary>
internal sealed partial record MailAddress(string Name, string NameComment, string Address, string Comment)
{
    /// <summary>Reads <c>Name (comment) &lt;address&gt; comment</c> or an address alone; all parts are empty when there is no address.</summary>
    public static MailAddress Parse(string text)
    {
        var (name, address, comment) = ("", "", "");
        if (Angled().Match(text) is { Success: true } angled)
        {
            (name, address, comment) = (angled.Groups[1].Value, angled.Groups[2].Value, angled.Groups[3].Value);
        }
        else if (Bare().Match(text) is { Success: true } bare)
        {
            (address, comment) = (bare.Groups[1].Value, bare.Groups[2].Value);
            var before = text[..text.IndexOf(address, StringComparison.Ordinal)].Trim().Trim('"');
            if (before.Length > 0 && !(address.StartsWith('<') && address.EndsWith('>')))
                return new MailAddress("", "", "", "");
            name = before;
        }
        var quoted = "";
        if (QuotedName().Match(name) is { Success: true } quote)
        {
            quoted = quote.Groups[1].Value;
            name = name.Remove(quote.Index, quote.Length);
        }
        var comments = "";
        while (name.Contains('(') && Parenthesised().Match(name) is { Success: true } match)
        {
            comments += match.Groups[1].Value.Trim();
            name = string.Concat(name.AsSpan(0, match.Index), " ", name.AsSpan(match.Index + match.Length));
        }
        name = $"{quoted} {name.Trim(' ', '"')}".Trim();
        return new MailAddress(Quote(name), comments, Unbracket(address.Trim()), comment.Trim());
    }

    /// <summary>As it is best written.</summary>
    public string Format(string comment)
    {
        var name = Quote(Name.Trim(' ', '"'));
        var address = Address.TrimEnd('.', ',', '"');
        var whole = name.Length == 0 ? address : $"{name}{(NameComment.Length > 0 ? " " + NameComment : "")} <{address}>";
        return comment.Length > 0 ? $"{whole} {comment}" : whole;
    }

    public string Format() => Format(Comment);

    private static string Quote(string name) => name.Length > 0 && NeedsQuotes().IsMatch(name) ? $"\"{BareQuote().Replace(name, "\\\"")}\"" : name;

    private static string Unbracket(string address) => address.StartsWith('<') ? address[1..].TrimEnd('>') : address.EndsWith('>') ? address[..^1] : address;

    [GeneratedRegex(@"^(.*)<(\S+@\S+)>(.*)$")]
    private static partial Regex Angled();

    [GeneratedRegex(@"(\S+@\S+)(.*)$")]
    private static partial Regex Bare();

    [GeneratedRegex("\"(.+)\"")]
    private static partial Regex QuotedName();

    private static Func<Regex> Parenthesised { get; } = LargePattern.Of(@"\s*(" + KernelC.Brackets + @")\s*");

    [GeneratedRegex(@"[^\w -]")]
    private static partial Regex NeedsQuotes();

    [GeneratedRegex(@"(?<!\\)""")]
    private static partial Regex BareQuote();
}
