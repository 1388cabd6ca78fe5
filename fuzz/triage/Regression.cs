using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Triage;

/// <summary>Writes what keeps a finding from coming back: the program as text, as a qtest script, and as a test in C#.</summary>
public static class Regression
{
    /// <returns>The paths that were written.</returns>
    /// <param name="stem">Path without extension.</param>
    /// <param name="target">Name of the target.</param>
    /// <param name="input">Minimised.</param>
    /// <param name="grammar">Of a target of device programs, or null.</param>
    public static IReadOnlyList<string> Write(string stem, string target, byte[] input, Grammar? grammar, Finding finding)
    {
        var comment = $"# {target}: {finding.Bucket}\n";
        var test = $"{stem}.cs";
        if (grammar is null)
        {
            File.WriteAllBytes($"{stem}.bin", input);
            File.WriteAllText(test, Test(target, finding, $"Convert.FromHexString(\"{Convert.ToHexStringLower(input)}\")"));
            return [$"{stem}.bin", test];
        }
        var program = ProgramBytes.Decode(input, grammar);
        var text = ProgramText.Format(program);
        File.WriteAllText($"{stem}.program", comment + text);
        File.WriteAllText($"{stem}.qtest", comment + QtestScript.From(program).Text);
        var literal = string.Concat(text.TrimEnd('\n').Split('\n').Select(line => $"\n            {line}"));
        File.WriteAllText(test, Test(target, finding, $"ProgramBytes.Encode(ProgramText.Parse(\n            \"\"\"{literal}\n            \"\"\"), target.Grammar!)"));
        return [$"{stem}.program", $"{stem}.qtest", test];
    }

    private static string Test(string target, Finding finding, string input) =>
        $$"""
        using Gauntlet.Fuzz.Programs;
        using Gauntlet.Fuzz.Targets;
        using Gauntlet.Fuzz.Triage;
        using Xunit;

        public sealed class Regression
        {
            // {{finding.Bucket}}
            [Fact]
            public void {{Identifier(target)}}_survives_what_broke_it()
            {
                using var target = TargetCatalogue.Create("{{target}}");

                Assert.Null(Replay.Run(target, {{input}}));
            }
        }

        """;

    private static string Identifier(string name) => string.Concat(name.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '_'));
}
