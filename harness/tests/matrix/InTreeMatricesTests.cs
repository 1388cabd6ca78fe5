using System.Text.Json;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Matrix;

public sealed class InTreeMatricesTests
{
    private static readonly string Root = SourceTree.Require();

    [Fact]
    public void TheDefaultIsGvmmAlone()
    {
        var cells = MatrixFile.Load("default", Root).Expand(MatrixOverrides.None);
        Assert.Equal(["gvmm/kvm/x86_64", "gvmm/tcg/x86_64"], cells.Select(cell => cell.ToString()));
    }

    [Fact]
    public void FullHasEveryVmmOnEveryAccelerator()
    {
        var cells = MatrixFile.Load("full", Root).Expand(MatrixOverrides.None);
        Assert.Superset(
            new HashSet<string> { "gvmm/kvm/x86_64", "gvmm/tcg/x86_64", "qemu/kvm/x86_64", "qemu/tcg/x86_64", "qemu/tcg/aarch64", "qemu/nested/riscv64" }, cells.Select(cell => cell.ToString()).ToHashSet());
    }

    [Fact]
    public void AnUnknownNameIsToldWithTheKnownOnes()
    {
        var error = Assert.Throws<Gauntlet.Terminal.UserException>(() => MatrixFile.Load("ful", Root));
        Assert.Contains("default, full", error.Message);
    }

    // An editor that knows the schema and the reader must agree on the keys and the fixed values.
    [Fact]
    public void TheJsonSchemaKnowsWhatTheReaderKnows()
    {
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(Root, "matrices", "schema.json")));
        var properties = schema.RootElement.GetProperty("properties");
        var definitions = schema.RootElement.GetProperty("$defs");
        Assert.Equal(["matrix", "name", "schema", "suites", "vmms"], Names(properties));
        Assert.Equal([.. CellAxes.Names.Concat(["include", "exclude"]).Order(StringComparer.Ordinal)], Names(properties.GetProperty("matrix").GetProperty("properties")));
        Assert.Equal([.. CellAxes.Names.Order(StringComparer.Ordinal)], Names(definitions.GetProperty("entry").GetProperty("properties")));
        Assert.Equal(MatrixDefinition.KnownAccels, definitions.GetProperty("accel").GetProperty("enum").EnumerateArray().Select(value => value.GetString()!));
        Assert.Equal(MatrixDefinition.KnownArchs, definitions.GetProperty("arch").GetProperty("enum").EnumerateArray().Select(value => value.GetString()!));
        var places = definitions.GetProperty("vmm").GetProperty("properties").GetProperty("command").GetProperty("description").GetString()!;
        Assert.All(CommandTemplate.Places, place => Assert.Contains("{" + place + "}", places));
    }

    [Fact]
    public void EveryReferenceOfTheSchemaLeadsSomewhere()
    {
        var text = File.ReadAllText(Path.Combine(Root, "matrices", "schema.json"));
        using var schema = JsonDocument.Parse(text);
        foreach (var reference in References(schema.RootElement))
        {
            Assert.StartsWith("#/$defs/", reference);
            Assert.True(schema.RootElement.GetProperty("$defs").TryGetProperty(reference["#/$defs/".Length..], out _), reference);
        }
    }

    private static string[] Names(JsonElement element) => [.. element.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal)];

    private static IEnumerable<string> References(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(property => property.Name == "$ref" ? [property.Value.GetString()!] : References(property.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(References),
        _ => [],
    };
}
