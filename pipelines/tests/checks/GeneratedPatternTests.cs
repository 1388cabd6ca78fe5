using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>
/// What the generated code of regular expressions takes. One whose alternatives nest becomes hundreds of kilobytes of C#, and a few dozen of them most of a clean build's time, twice: for the
/// assembly and for its native code.
/// </summary>
public sealed class GeneratedPatternTests
{
    /// <summary>Bytes of intermediate language, of which a debug build has most: 5,300 for the largest pattern, 237,000 for all, when this was written.</summary>
    private const int MostOfOne = 10_000, MostOfAll = 320_000;

    private readonly Dictionary<string, int> _sizes = Measure();

    [Fact]
    public void EachPatternIsSmall()
    {
        var large = _sizes.Where(pattern => pattern.Value > MostOfOne).OrderByDescending(pattern => pattern.Value).Select(pattern => $"{pattern.Key} has {pattern.Value}");
        Assert.True(!large.Any(), $"more than {MostOfOne} bytes of code, make these a LargePattern: {string.Join(", ", large)}");
    }

    [Fact]
    public void AllPatternsTogetherAreSmall() => Assert.InRange(_sizes.Values.Sum(), 1, MostOfAll);

    /// <summary>Bytes by pattern; the matcher is nested in the pattern's class.</summary>
    private static Dictionary<string, int> Measure()
    {
        using var image = new PEReader(File.OpenRead(typeof(CheckProgram).Assembly.Location));
        var metadata = image.GetMetadataReader();
        var sizes = new Dictionary<string, int>();
        foreach (var handle in metadata.MethodDefinitions)
        {
            var method = metadata.GetMethodDefinition(handle);
            var type = metadata.GetTypeDefinition(method.GetDeclaringType());
            while (!type.GetDeclaringType().IsNil)
                type = metadata.GetTypeDefinition(type.GetDeclaringType());
            if (method.RelativeVirtualAddress == 0 || metadata.GetString(type.Namespace) != "System.Text.RegularExpressions.Generated")
                continue;
            // The compiler puts the file's name before the pattern's.
            var name = metadata.GetString(type.Name).Split("__")[^1];
            sizes[name] = sizes.GetValueOrDefault(name) + image.GetMethodBody(method.RelativeVirtualAddress).Size;
        }
        return sizes;
    }
}
