using System.Text;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>Sizes that only happen on purpose, or in old archives. How long they may take is for the benchmark; here they must end in the right verdict.</summary>
public sealed class LargeInputTests
{
    private const string From = "From ann@example.org Thu Oct  1 10:00:00 2026\n";

    [Fact]
    public async Task TenThousandMailsBecomeTheirSeries()
    {
        const int series = 2500;
        var mbox = new StringBuilder();
        for (var i = 0; i < series; i++)
        {
            var who = $"Author {i} <author{i}@example.org>";
            mbox.Append(From).Append(Text($"[PATCH 0/2] topic {i}", $"{i}.0@x", from: who, body: "About it.\n")).Append('\n');
            mbox.Append(From).Append(Text($"[PATCH 1/2] first {i}", $"{i}.1@x", $"{i}.0@x", who, "M\n" + Change())).Append('\n');
            mbox.Append(From).Append(Text($"[PATCH 2/2] second {i}", $"{i}.2@x", $"{i}.0@x", who, "M\n" + Change("b.c", "int b;", "long b;"))).Append('\n');
            mbox.Append(From).Append(Text($"Re: [PATCH 1/2] first {i}", $"{i}.3@x", $"{i}.1@x", "Bob <bob@example.org>", "Reviewed-by: Bob <bob@example.org>\n")).Append('\n');
        }

        using var fixture = await SeriesFixture.CreateAsync();
        var assembled = await fixture.ImportAsync(mbox.ToString());

        Assert.Equal(series, assembled.Versions.Count);
        Assert.All(assembled.Versions, version => Assert.Equal(("complete", 1), (version.State, version.Trailers.Count(trailer => trailer.Rejected is null))));
    }

    [Fact]
    public async Task ALineOf160KilobytesIsALine()
    {
        var line = new string('x', 160 << 10);
        using var fixture = await SeriesFixture.CreateAsync();
        await fixture.ImportAsync(Text("[PATCH] long", "l@x", body: line + "\n" + Change(after: line)));

        var applied = await fixture.ApplyAsync("long");

        Assert.Equal((null, line + "\n"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task ADiffOfHalfAMillionLinesIsApplied()
    {
        const int lines = 500_000;
        var body = new StringBuilder($"M\n---\n\ndiff --git a/big.c b/big.c\nnew file mode 100644\n--- /dev/null\n+++ b/big.c\n@@ -0,0 +1,{lines} @@\n");
        for (var i = 0; i < lines; i++)
            body.Append("+int x").Append(i).Append(";\n");
        using var fixture = await SeriesFixture.CreateAsync();
        await fixture.ImportAsync(Text("[PATCH] big", "b@x", body: body.ToString()));

        var applied = await fixture.ApplyAsync("big", "big.c");

        Assert.Null(applied.Reason);
        Assert.EndsWith("int x499999;\n", applied.File, StringComparison.Ordinal);
    }
}
