using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks.Rules.Series;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>MAINTAINERS, as get_maintainer.pl reads it.</summary>
public sealed class MaintainersTests
{
    private const string File =
        """
        Maintainers of the project
        ==========================
        M: *Mail* patches to: Name <address>
        F: *Files* and directories

        Network
        M:	A <a@b.c>
        F:	hw/net/
        X:	hw/net/rocker/
        F:	include/hw/net/*.h
        F:	net/e?h.c
        F:	docs/net

        Tests
        N:	[^a-z]qtest
        N:	((broken

        THE REST
        F:	*
        F:	*/
        """;

    [Theory]
    [InlineData("hw/net/e1000.c", true)]
    [InlineData("hw/net/can/can.c", true)]
    [InlineData("hw/net/rocker/rocker.c", false)]
    [InlineData("include/hw/net/eth.h", true)]
    [InlineData("include/hw/net/can/can.h", false)]
    [InlineData("include/hw/net/eth.c", false)]
    [InlineData("net/eth.c", true)]
    [InlineData("net/eeth.c", false)]
    [InlineData("docs/net/a.rst", true)]
    [InlineData("docs/net.rst", true)]
    [InlineData("docs/a.rst", false)]
    [InlineData("tests/qtest/a.c", true)]
    [InlineData("tests/aqtest/a.c", false)]
    [InlineData("README", false)]
    public void AFileIsCoveredBySectionsThatNameIt(string path, bool covered) => Assert.Equal(covered, Maintainers.Parse(File).Covers(path));

    /// <summary>Whatever the fields say, there is an answer; what a section leaves out it does not cover.</summary>
    [Fact]
    public void AnyTextIsRead() =>
        Prop.ForAll<string?>(any => any?.ReplaceLineEndings("") is var text && !Maintainers.Parse($"F: {text}\nF: a/b.c\nN: {text}\nX: a/b.c\n").Covers("a/b.c")).Holds();

    [Fact]
    public void APathCoversItselfAndWhatIsBelowIt() =>
        Prop.ForAll(Gen.Elements("a", "b", "_", ".", "/").NonEmptyListOf().Select(string.Concat).ToArbitrary(), path =>
            Maintainers.Parse($"F: x{path}\n").Covers("x" + path) && Maintainers.Parse($"F: x{path}\n").Covers($"x{path}/y.c")).Holds();

    /// <summary>A pattern of many stars takes no longer than its length times the path's.</summary>
    [Fact]
    public void ManyStarsEnd() =>
        Assert.False(Maintainers.Matches(string.Concat(Enumerable.Repeat("*a", 2000)) + "b", new string('a', 20_000)));
}
