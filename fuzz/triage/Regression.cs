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
        File.WriteAllText(test, Test(target, finding.Bucket, input, grammar));
        if (grammar is null)
        {
            File.WriteAllBytes($"{stem}.bin", input);
            return [$"{stem}.bin", test];
        }
        var program = ProgramBytes.Decode(input, grammar);
        var text = ProgramText.Format(program);
        File.WriteAllText($"{stem}.program", comment + text);
        File.WriteAllText($"{stem}.qtest", comment + QtestScript.From(program).Text);
        return [$"{stem}.program", $"{stem}.qtest", test];
    }

    /// <summary>A test in C# that runs an input.</summary>
    /// <param name="why">A comment in it.</param>
    /// <param name="grammar">Of a target of device programs, or null.</param>
    public static string Test(string target, string why, byte[] input, Grammar? grammar)
    {
        if (grammar is null)
            return Test(target, why, $"Convert.FromHexString(\"{Convert.ToHexStringLower(input)}\")");
        var text = ProgramText.Format(ProgramBytes.Decode(input, grammar));
        var literal = string.Concat(text.TrimEnd('\n').Split('\n').Select(line => $"\n            {line}"));
        return Test(target, why, $"ProgramBytes.Encode(ProgramText.Parse(\n            \"\"\"{literal}\n            \"\"\"), target.Grammar!)");
    }

    private static string Test(string target, string why, string input) =>
        $$"""
        using Gauntlet.Fuzz.Programs;
        using Gauntlet.Fuzz.Targets;
        using Gauntlet.Fuzz.Triage;
        using Xunit;

        public sealed class Regression
        {
            // {{why}}
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
