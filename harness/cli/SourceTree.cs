using Gauntlet.Terminal;

namespace Gauntlet.Cli;

/// <summary>The source tree that this program was built from and works with.</summary>
public static class SourceTree
{
    /// <summary>Its root: named by the launcher in <c>GAUNTLET_ROOT</c>, else the nearest folder above the program that holds the solution.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static string Root
    {
        get
        {
            if (Environment.GetEnvironmentVariable("GAUNTLET_ROOT") is { Length: > 0 } named && File.Exists(Path.Combine(named, SolutionFile)))
                return named;
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, SolutionFile)))
                    return folder.FullName;
            }

            throw new UserException(
                $"looking for Gauntlet's source tree: no {SolutionFile} in any folder above {AppContext.BaseDirectory}; start the program by ./gauntlet of a checkout",
                ExitCode.Environment);
        }
    }

    private const string SolutionFile = "Gauntlet.slnx";
}
