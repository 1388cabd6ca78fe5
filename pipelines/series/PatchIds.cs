using System.Text;
using Gauntlet.Pipelines.GitTool;

namespace Gauntlet.Pipelines.Series;

/// <summary>Identifies changes by content, as <c>git patch-id --stable</c> does: what <c>prerequisite-patch-id:</c> names.</summary>
public static class PatchIds
{
    /// <summary>By the mail's name. One run of git for all; a mail whose change git does not recognise has none.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ComputeAsync(IReadOnlyList<SortedMail> patches, CancellationToken cancellation)
    {
        if (patches.Count == 0)
            return new Dictionary<string, string>();

        // git patch-id tells patches apart by "commit <id>" lines; the number of the patch serves as id.
        var stream = new MemoryStream();
        for (var i = 0; i < patches.Count; i++)
        {
            stream.Write(Encoding.ASCII.GetBytes($"commit {i:x40}\n"));
            stream.Write(patches[i].Parts.Patch);
            stream.WriteByte((byte)'\n');
        }

        var result = await new Git(null).TryRunAsync(["patch-id", "--stable"], stream.ToArray(), cancellation);
        var ids = new Dictionary<string, string>();
        foreach (var line in result.Text.Split('\n'))
        {
            if (line.Split(' ') is [var id, { Length: 40 } number] && int.TryParse(number.AsSpan(32), System.Globalization.NumberStyles.HexNumber, null, out var index) && index < patches.Count)
                ids[patches[index].Mail.Name] = id;
        }

        return ids;
    }
}
