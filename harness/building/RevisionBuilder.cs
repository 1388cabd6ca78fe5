using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Matrix;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Building;

/// <summary>Programs of VMMs at revisions, built when a cell asks for them: <c>gvmm@HEAD~3</c>, <c>qemu@/path:v9.1.0</c>.</summary>
public sealed class RevisionBuilder(string vmm, VmmDeclaration? declaration, BuildCache cache)
{
    // Builds use all CPUs by themselves.
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>It is a revision, and not one of the versions that a matrix names programs for.</summary>
    public bool Takes(string? version) => version is not null && declaration?.Versions.ContainsKey(version) != true && VmmSource.Of(vmm, version, declaration) is not null
        // A version of QEMU such as 9.1 is one that is installed.
        && (vmm != "qemu" || version.StartsWith('/') || declaration?.Source is not null);

    /// <summary>The program and its revision, or why there is none.</summary>
    public async Task<(string? Program, string? Revision, string? Problem)> BuildAsync(string arch, string version, CancellationToken cancellation)
    {
        var (source, revision) = VmmSource.Of(vmm, version, declaration)!.Value;
        await _one.WaitAsync(cancellation);
        try
        {
            var (program, built) = await source.BuildAsync(revision, arch, cache, cancellation);
            return (program, built.ToString(), null);
        }
        catch (UserException e)
        {
            return (null, null, e.Message);
        }
        finally
        {
            _one.Release();
        }
    }
}
