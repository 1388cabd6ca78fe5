namespace Gauntlet.Vmm.Bench;

/// <summary>Where the programs that are measured are.</summary>
internal static class Programs
{
    /// <summary>The gvmm that <c>./gauntlet</c> builds, or that <c>GVMM</c> names; null, and the reason on standard error, when it is not there.</summary>
    /// <param name="benchmark">That asks.</param>
    public static string? Gvmm(string benchmark)
    {
        var gvmm = Environment.GetEnvironmentVariable("GVMM") ?? (FindRoot() is { } root ? Path.Combine(root, ".artifacts/program/gvmm/gvmm") : null);
        if (gvmm is not null && File.Exists(gvmm))
            return gvmm;
        Console.Error.WriteLine($"{benchmark}: {gvmm ?? "gvmm"} is not there: ./gauntlet --version builds it, or set GVMM");
        return null;
    }

    /// <summary>The repository that the current directory is in.</summary>
    public static string? FindRoot()
    {
        for (var folder = Directory.GetCurrentDirectory(); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Gauntlet.slnx")))
                return folder;
        }
        return null;
    }
}
