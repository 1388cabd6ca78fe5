using FsCheck.Fluent;
using Gauntlet.Harness.Matrix;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Matrix;

public sealed class MatrixTests
{
    private static MatrixDefinition Parse(string text) => MatrixFile.Parse("schema: 1\n" + text, "m.yaml");

    private static string[] Cells(string text, MatrixOverrides? overrides = null) =>
        [.. Parse(text).Expand(overrides ?? MatrixOverrides.None).Select(cell => cell.ToString())];

    [Fact]
    public void CellsAreTheProductInTheOrderWritten() => Assert.Equal(
        ["gvmm/kvm/x86_64", "gvmm/tcg/x86_64", "qemu/kvm/x86_64", "qemu/tcg/x86_64"],
        Cells("matrix:\n  vmm: [gvmm, qemu]\n  accel: [kvm, tcg]\n  arch: x86_64\n"));

    [Fact]
    public void ExcludeDropsWhateverHasAllItsValues() => Assert.Equal(
        ["gvmm/tcg/x86_64", "qemu/tcg/x86_64", "qemu/tcg/aarch64"],
        Cells("""
            matrix:
              vmm: [gvmm, qemu]
              accel: [tcg]
              arch: [x86_64, aarch64]
              exclude:
                - {vmm: gvmm, arch: aarch64}
            """));

    [Fact]
    public void IncludeAddsKeysToTheCellsItDoesNotContradict() => Assert.Equal(
        ["gvmm/tcg/x86_64", "qemu/tcg/x86_64,machine=q35,cpu=max"],
        Cells("""
            matrix:
              vmm: [gvmm, qemu]
              accel: [tcg]
              arch: [x86_64]
              include:
                - {vmm: qemu, machine: q35}
                - {vmm: qemu, cpu: max}
            """));

    [Fact]
    public void IncludeThatFitsNoCellIsACellOfItsOwn() => Assert.Equal(
        ["gvmm/tcg/x86_64", "qemu/tcg/riscv64,machine=virt"],
        Cells("""
            matrix:
              vmm: [gvmm]
              accel: [tcg]
              arch: [x86_64]
              include:
                - {vmm: qemu, accel: tcg, arch: riscv64, machine: virt}
            """));

    // The example of GitHub's documentation, with our axes in the place of fruit and animal.
    [Fact]
    public void ExpansionIsGitHubs()
    {
        static Dictionary<string, string> Entry(params string[] words) => words.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
        var combinations = MatrixExpansion.Expand(
            [KeyValuePair.Create<string, IReadOnlyList<string>>("fruit", ["apple", "pear"]), KeyValuePair.Create<string, IReadOnlyList<string>>("animal", ["cat", "dog"])],
            [],
            [Entry("color", "green"), Entry("color", "pink", "animal", "cat"), Entry("fruit", "apple", "shape", "circle"), Entry("fruit", "banana"), Entry("fruit", "banana", "animal", "cat")]);
        Assert.Equal(
            [
                "animal=cat color=pink fruit=apple shape=circle", "animal=dog color=green fruit=apple shape=circle", "animal=cat color=pink fruit=pear",
                "animal=dog color=green fruit=pear", "fruit=banana", "animal=cat fruit=banana",
            ],
            combinations.Select(combination => string.Join(' ', combination.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"))));
    }

    [Fact]
    public void TheCommandLinesChoiceReplacesAnAxis()
    {
        const string Text = "matrix:\n  vmm: [gvmm]\n  accel: [kvm, tcg]\n  arch: [x86_64]\n  include:\n    - {vmm: gvmm, accel: tcg, arch: riscv64}\n";
        Assert.Equal(["qemu/tcg/x86_64"], Cells(Text, new MatrixOverrides(["qemu"], ["tcg"], [])));
        Assert.Equal(["qemu@9.1/tcg/aarch64"], Cells(Text, new MatrixOverrides(["qemu@9.1"], ["tcg"], ["aarch64"])));
    }

    [Fact]
    public void KernelsOfTheCommandLineAreAnAxis() => Assert.Equal(
        ["gvmm/nested-linux/x86_64,host-kernel=/a/bzImage", "gvmm/nested-linux/x86_64,host-kernel=linux-image-amd64"],
        Cells("matrix: {vmm: [gvmm], accel: [kvm, tcg], arch: [x86_64]}\n", new MatrixOverrides([], ["nested-linux"], []) { HostKernels = ["/a/bzImage", "linux-image-amd64"] }));

    [Fact]
    public void CommandsAreDeclaredWithTheirTemplate()
    {
        var definition = Parse("""
            matrix: {vmm: [lkvm], accel: [kvm], arch: [aarch64]}
            vmms:
              lkvm:
                command: [lkvm, run, --kernel, "{kernel}", --cpus, "{smp}", [--params, "{append}"], [--initrd, "{initrd}"], "{args}"]
                accel: kvm
                arch: [aarch64, riscv64]
                exit: console
            """);
        var vmm = Assert.Single(definition.Vmms);
        Assert.Equal(("lkvm", "lkvm", false), (vmm.Name, vmm.Command!.Program, vmm.DebugExit));
        Assert.Equal(["kvm"], vmm.Accels);
        Assert.True(vmm.Command.TakesArguments);
        Assert.Equal(
            ["lkvm", "run", "--kernel", "/a b", "--cpus", "2", "--initrd", "/i", "--pmu", "x"],
            vmm.Command.Fill(new Dictionary<string, string?> { ["kernel"] = "/a b", ["smp"] = "2", ["initrd"] = "/i", ["append"] = null }, ["--pmu", "x"]));
    }

    [Theory]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg]}\n", "m.yaml", "'arch'")]
    [InlineData("matrix: {vmm: [xen], accel: [tcg], arch: [x86_64]}\n", "m.yaml", "'xen'")]
    [InlineData("matrix: {vmm: [gvmm], accel: [hvf], arch: [x86_64]}\n", "m.yaml", "'hvf'")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: [vax]}\n", "m.yaml", "'vax'")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: []}\n", "m.yaml:2", "'arch'")]
    [InlineData("matrix:\n  vmm: [gvmm]\n  axel: [tcg]\n", "m.yaml:4", "'axel'")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: [x86_64]}\nvmms:\n  gvmm: {command: [a]}\n", "m.yaml:4", "driver of its own")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: [x86_64]}\nvmms:\n  lkvm: {command: [a, \"{kernl}\"]}\n", "m.yaml:4", "{kernl}")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: [x86_64], exclude: [{vmm: gvmm}]}\n", "m.yaml", "no cell is left")]
    [InlineData("matrix: [a\n", "m.yaml:", "YAML")]
    [InlineData("matrix: {vmm: [gvmm], accel: [tcg], arch: [x86_64], include: [*x]}\n", "m.yaml:2", "alias")]
    public void MistakesAreNamed(string text, string position, string expected)
    {
        var error = Assert.Throws<UserException>(() => Parse(text));
        Assert.StartsWith(position, error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void DeepNestingIsRefusedBeforeTheLibraryRecurses()
    {
        var error = Assert.Throws<UserException>(() => Parse($"matrix: {new string('[', 100_000)}\n"));
        Assert.Contains("nested deeper", error.Message);
    }

    [Fact]
    public void NoCombinationIsThereTwiceAndNoneThatIsExcluded()
    {
        var values = Gen.Elements("a", "b", "c");
        var entry = from x in values from y in values from kind in Gen.Choose(0, 2) select kind switch { 0 => new Dictionary<string, string> { ["x"] = x }, 1 => new() { ["y"] = y }, _ => new() { ["x"] = x, ["y"] = y } };
        var matrices = from xs in values.ListOf() from ys in values.ListOf() from exclude in entry.ListOf() select (Xs: xs.Distinct().ToList(), Ys: ys.Distinct().ToList(), Exclude: exclude.ToList());
        Prop.ForAll(matrices.ToArbitrary(), matrix =>
        {
            var combinations = MatrixExpansion.Expand(
                [KeyValuePair.Create<string, IReadOnlyList<string>>("x", matrix.Xs), KeyValuePair.Create<string, IReadOnlyList<string>>("y", matrix.Ys)], matrix.Exclude, []);
            var expected = from x in matrix.Xs
                           from y in matrix.Ys
                           where !matrix.Exclude.Any(e => (!e.TryGetValue("x", out var ex) || ex == x) && (!e.TryGetValue("y", out var ey) || ey == y))
                           select (x, y);
            return combinations.Select(combination => (combination["x"], combination["y"])).SequenceEqual(expected);
        }).Holds();
    }

    [Fact]
    public void NoTextEverThrowsAnythingButAMessageForTheUser()
    {
        var fragments = new[]
        {
            "matrix:", "\n", "  ", " ", "vmm: ", "accel: ", "arch: ", "include:", "exclude:", "- ", "[", "]", "{", "}", ",", "gvmm", "tcg", "x86_64", "\"", "'", "*a", "&a", "!!", "? ", "|", ">", "%", "\t", "\0",
            "\\x", "---\n", "...", "vmms:", "command: ", "\"\\U00110000\"", "null", "~", "#", ":", "é",
        };
        Prop.ForAll(Gen.Elements(fragments).ListOf().Select(parts => string.Concat(parts)).ToArbitrary(), text =>
        {
            try
            {
                return Parse(text).Expand(MatrixOverrides.None).Count > 0;
            }
            catch (UserException e)
            {
                return e.Message.StartsWith("m.yaml", StringComparison.Ordinal);
            }
        }).Holds(1000);
    }
}
