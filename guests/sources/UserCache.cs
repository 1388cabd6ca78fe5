namespace Gauntlet.Guests.Sources;

/// <summary>Where things are kept that can be made again: <c>gauntlet</c> in the user's cache folder (<c>$XDG_CACHE_HOME</c>, else <c>~/.cache</c>; XDG Base Directory Specification).</summary>
public static class UserCache
{
    /// <summary>Absolute path of a part of it; in the temporary folder where there is no home.</summary>
    public static string Folder(string part)
    {
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathFullyQualified(cache))
            return Path.Combine(cache, "gauntlet", part);
        return Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home
            ? Path.Combine(home, ".cache", "gauntlet", part)
            : Path.Combine(Path.GetTempPath(), $"gauntlet-{Environment.UserName}", part);
    }
}
