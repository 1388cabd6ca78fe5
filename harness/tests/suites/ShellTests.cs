using System.Diagnostics;
using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Harness.Tests.Suites;

/// <summary>A test that asks the real shell.</summary>
internal sealed class BashFactAttribute : FactAttribute
{
    public const string Bash = "/bin/bash";

    public BashFactAttribute()
    {
        if (!File.Exists(Bash))
            Skip = $"there is no {Bash} to compare with";
    }
}

public sealed class ShellTests
{
    private static readonly Dictionary<string, string> Variables = new() { ["MAX_SMP"] = "4", ["TARGET"] = "qemu", ["EMPTY"] = "", ["SPACED"] = "a  b", ["GLOB"] = "q*" };

    [Theory]
    [InlineData("a b\tc", "a|b|c")]
    [InlineData("'a b' \"c d\"", "a b|c d")]
    [InlineData("a'b'\"c\"d", "abcd")]
    [InlineData("''", "")]
    [InlineData("a\\ b \\\\ \\\"", "a b|\\|\"")]
    [InlineData("\"a\\\"b\\$c\\d\"", "a\"b$c\\d")]
    [InlineData("'$MAX_SMP' \"$MAX_SMP\" $MAX_SMP", "$MAX_SMP|4|4")]
    [InlineData("x$EMPTY $EMPTY \"$EMPTY\" $UNSET", "x|")]
    [InlineData("$SPACED \"$SPACED\"", "a|b|a  b")]
    [InlineData("a=$((1 + 2 * 3)),b=${TARGET}", "a=7,b=qemu")]
    [InlineData("a# b #c d", "a#|b")]
    [InlineData("-cpu max,+svm -m 4g", "-cpu|max,+svm|-m|4g")]
    [InlineData("$((($MAX_SMP < 3)?$MAX_SMP:3))", "3")]
    public void WordsAreTheShells(string text, string words) => Assert.Equal(words.Split('|'), ShellWords.Parse(text, Variables).Words);

    [Theory]
    [InlineData("a > b")]
    [InlineData("a; b")]
    [InlineData("$(id)")]
    [InlineData("`id`")]
    [InlineData("$1")]
    [InlineData("${TARGET:-x}")]
    [InlineData("{a,b}")]
    [InlineData("'a")]
    [InlineData("\"a")]
    [InlineData("a\\")]
    [InlineData("$((1/0))")]
    [InlineData("$((x = 1))")]
    public void WhatWouldNeedAShellIsRefused(string text) => Assert.Throws<ShellUnsupportedException>(() => ShellWords.Parse(text, Variables));

    [Theory]
    [InlineData("[[ \"$TARGET\" != qemu ]]", false)]
    [InlineData("[[ $TARGET == q* ]]", true)]
    [InlineData("[[ $TARGET == \"q*\" ]]", false)]
    [InlineData("[[ $TARGET == $GLOB ]]", true)]
    [InlineData("[[ $TARGET =~ ^q.m ]]", true)]
    [InlineData("[ \"$TARGET\" = qemu ] && [ \"$EMPTY\" ]", false)]
    [InlineData("[[ -z $UNSET && -n $TARGET ]]", true)]
    [InlineData("[[ $MAX_SMP -lt 8 || $UNSET == x ]]", true)]
    [InlineData("! [[ $MAX_SMP -ge 4 ]]", false)]
    [InlineData("[[ ! ( $MAX_SMP -eq 4 && $TARGET = qemu ) ]]", false)]
    [InlineData("( [[ a == b ]] || true ) && false", false)]
    [InlineData("true || false && false", false)]
    [InlineData("[[ -f /etc/passwd && -d /etc && -e /dev/null && ! -f /dev/null ]]", true)]
    [InlineData("[[ $UNSET == \"]]\" ]]", false)]
    [InlineData("[[ a < b ]]", true)]
    public void ConditionsAreTheShells(string text, bool holds) => Assert.Equal(holds, ShellCondition.Evaluate(text, Variables));

    [Theory]
    [InlineData("grep -q vmx /proc/cpuinfo")]
    [InlineData("[[ $(uname -m) == x ]]")]
    [InlineData("[[ a == b")]
    [InlineData("[[ a == [ab] ]]")]
    [InlineData("[[ a -ot b ]]")]
    [InlineData("[[ x -eq 1 ]]")]
    [InlineData("")]
    [InlineData("! ")]
    [InlineData("[[ a =~ (b ]]")]
    public void ConditionsThatWouldStartAProgramAreRefused(string text) => Assert.Throws<ShellUnsupportedException>(() => ShellCondition.Evaluate(text, Variables));

    [Fact]
    public void DeepNestingIsRefused()
    {
        Assert.Throws<ShellUnsupportedException>(() => ShellCondition.Evaluate(new string('(', 100_000), Variables));
        Assert.Throws<ShellUnsupportedException>(() => ShellCondition.Evaluate(string.Concat(Enumerable.Repeat("! ", 100_000)), Variables));
        Assert.Throws<ShellUnsupportedException>(() => ShellArithmetic.Evaluate(new string('(', 100_000), Variables));
        Assert.Throws<ShellUnsupportedException>(() => ShellArithmetic.Evaluate(new string('-', 100_000) + "1", Variables));
    }

    // The shell itself is the reference: whatever is not refused has its value.
    [BashFact]
    public void ArithmeticIsBashs()
    {
        var expressions = Sample(Expression(4), 400);
        var theirs = AskBash(expressions, expression => $"echo $(({expression}))");
        for (var index = 0; index < expressions.Count; index++)
            Assert.Equal((expressions[index], theirs[index]), (expressions[index], Ours(() => ShellArithmetic.Evaluate(expressions[index], Variables).ToString(CultureInfo.InvariantCulture)) ?? theirs[index]));
    }

    [BashFact]
    public void WordSplittingIsBashs()
    {
        var texts = Sample(Gen.Elements("a", " ", "'", "\"", "\\", "$MAX_SMP", "${TARGET}", "$SPACED", "$EMPTY", "#", "b c", "-x=1,y", "\"q r\"", "'s t'", "\\ ", "$((1+1))").ListOf().Select(parts => string.Concat(parts)), 400);
        // What bash refuses (an open quote) is refused here too; those never reach it, as one would swallow the others.
        texts = [.. texts.Where(text => Ours(() => string.Join('|', ShellWords.Parse(text, Variables).Words)) is not null)];
        Assert.True(texts.Count > 100);
        var theirs = AskBash(texts, text => $"show {text}");
        for (var index = 0; index < texts.Count; index++)
            Assert.Equal((texts[index], theirs[index]), (texts[index], string.Concat(ShellWords.Parse(texts[index], Variables).Words.Select(word => $"<{word}>"))));
    }

    [BashFact]
    public void ConditionsAreBashs()
    {
        var conditions = Sample(Condition(3), 400);
        var theirs = AskBash(conditions, condition => $"if {condition}; then echo True; else echo False; fi");
        for (var index = 0; index < conditions.Count; index++)
            Assert.Equal((conditions[index], theirs[index]), (conditions[index], ShellCondition.Evaluate(conditions[index], Variables).ToString()));
    }

    [Fact]
    public void NoTextThrowsAnythingElse()
    {
        var fragments = Gen.Elements("[[", "]]", "[", "]", "(", ")", "&&", "||", "!", " ", "a", "\"", "'", "$", "{", "}", "$TARGET", "-f", "-eq", "==", "=~", "*", "\\", "`", "<", "$((", "))", "?", ":", "1", "\0");
        Prop.ForAll(fragments.ListOf().Select(parts => string.Concat(parts)).ToArbitrary(), text =>
        {
            _ = Ours(() => ShellCondition.Evaluate(text, Variables).ToString());
            _ = Ours(() => ShellArithmetic.Evaluate(text, Variables).ToString(CultureInfo.InvariantCulture));
            _ = Ours(() => ShellWords.Parse(text, Variables).Words.Count.ToString(CultureInfo.InvariantCulture));
        }).Holds(1000);
    }

    private static string? Ours(Func<string> evaluate)
    {
        try
        {
            return evaluate();
        }
        catch (ShellUnsupportedException)
        {
            return null;
        }
    }

    private static Gen<string> Expression(int depth)
    {
        var leaf = Gen.OneOf(Gen.Choose(0, 40).Select(number => number.ToString(CultureInfo.InvariantCulture)), Gen.Elements("$MAX_SMP", "MAX_SMP", "UNSET"));
        if (depth == 0)
            return leaf;
        var inner = Expression(depth - 1);
        return Gen.OneOf(
            leaf,
            from left in inner from op in Gen.Elements("+", "-", "*", "<", ">", "<=", ">=", "==", "!=", "&&", "||") from right in inner select $"{left} {op} {right}",
            from left in inner from op in Gen.Elements("/", "%") from right in Gen.Choose(1, 9) select $"({left}) {op} {right}",
            from a in inner from b in inner from c in inner select $"({a}) ? ({b}) : ({c})",
            from a in inner select $"!({a})",
            from a in inner select $"-({a})",
            from a in inner select $"({a})");
    }

    private static Gen<string> Condition(int depth)
    {
        var word = Gen.Elements("a", "b", "\"$TARGET\"", "$TARGET", "\"\"", "qemu", "$MAX_SMP", "\"$EMPTY\"");
        var test = Gen.OneOf(
            from left in word from op in Gen.Elements("==", "!=", "=") from right in Gen.OneOf(word, Gen.Elements("q*", "?", "\"q*\"")) select $"{left} {op} {right}",
            from number in Gen.Choose(0, 8) from op in Gen.Elements("-eq", "-ne", "-lt", "-le", "-gt", "-ge") select $"$MAX_SMP {op} {number}",
            from op in Gen.Elements("-n", "-z") from operand in word select $"{op} {operand}");
        var bracket = from first in test
                      from glue in Gen.Elements("&&", "||")
                      from second in test
                      from third in test
                      from negate in Gen.Elements("", "! ")
                      from form in Gen.Choose(0, 2)
                      select form switch { 0 => $"[[ {first} ]]", 1 => $"[[ {negate}{first} {glue} {second} && {third} ]]", _ => $"[[ {negate}( {first} {glue} {second} ) || {third} ]]" };
        if (depth == 0)
            return bracket;
        var inner = Condition(depth - 1);
        return Gen.OneOf(
            bracket, Gen.Elements("true", "false"),
            from left in inner from op in Gen.Elements("&&", "||") from right in inner select $"{left} {op} {right}",
            from a in inner select $"( {a} )",
            from a in bracket select $"! {a}");
    }

    private static List<string> Sample(Gen<string> generator, int count) => [.. Gen.Sample(generator, count).Distinct()];

    // One bash for all; each answers one line.
    private static List<string> AskBash(List<string> questions, Func<string, string> command)
    {
        var start = new ProcessStartInfo(BashFactAttribute.Bash, ["--norc"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in Variables)
            start.Environment[name] = value;
        using var bash = Process.Start(start)!;
        var answers = bash.StandardOutput.ReadToEndAsync();
        var errors = bash.StandardError.ReadToEndAsync();
        bash.StandardInput.Write("set -f; show() { printf '<%s>' \"$@\" | { [ $# -gt 0 ] && cat || cat >/dev/null; }; echo; }\n");
        foreach (var question in questions)
            bash.StandardInput.Write(command(question) + "\n");
        bash.StandardInput.Close();
        bash.WaitForExit();
        // An answer may be empty, the last one too.
        var lines = answers.Result.Split('\n')[..^1];
        Assert.True(lines.Length == questions.Count, $"{lines.Length} answers to {questions.Count} questions: {errors.Result}");
        return [.. lines];
    }
}
