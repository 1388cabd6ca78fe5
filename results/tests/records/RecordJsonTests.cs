using System.Text.Json;
using FsCheck.Fluent;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Tests.Records;

public sealed class RecordJsonTests
{
    [Fact]
    public void A_result_comes_back_from_its_json_as_it_was() => Prop.ForAll(RecordGenerators.Result.ToArbitrary(), result =>
    {
        var json = JsonSerializer.Serialize(result, RecordJson.Default.JobResult);
        var back = JsonSerializer.Deserialize(json, RecordJson.Default.JobResult)!;
        Assert.Equivalent(result, back, strict: true);
    }).Holds();

    [Fact]
    public void Every_verdict_is_named_in_json_as_everywhere_else()
    {
        foreach (var verdict in Enum.GetValues<Verdict>())
        {
            Assert.Equal($"\"{verdict.Name()}\"", JsonSerializer.Serialize(new Subtest("a", verdict), RecordJson.Default.Options).Split(':')[2].TrimEnd('}'));
            Assert.True(Verdicts.TryParse(verdict.Name(), out var back));
            Assert.Equal(verdict, back);
        }

        Assert.False(Verdicts.TryParse("passed", out _));
    }
}
