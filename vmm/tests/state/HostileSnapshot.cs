using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.State;

/// <summary>Snapshots as somebody would make them who knows the format and means harm: the checksums are right.</summary>
internal static class HostileSnapshot
{
    public sealed record Section(SnapshotSection Kind, int Instance, byte[] Payload);

    public static List<Section> Split(byte[] snapshot)
    {
        var reader = new SnapshotReader(new MemoryStream(snapshot));
        var sections = new List<Section>();
        while (reader.Next())
            sections.Add(new Section(reader.Header.Kind, (int)reader.Header.Instance, reader.Payload.ToArray()));
        return sections;
    }

    /// <summary>Section by section, so that a difference says where it is.</summary>
    public static void AssertSame(byte[] expected, byte[] actual)
    {
        foreach (var (one, other) in Split(expected).Zip(Split(actual)))
        {
            Assert.Equal((one.Kind, one.Instance), (other.Kind, other.Instance));
            Assert.True(one.Payload.AsSpan().SequenceEqual(other.Payload),
                $"section {one.Kind} {one.Instance} differs at byte {one.Payload.AsSpan().CommonPrefixLength(other.Payload)} of {one.Payload.Length}");
        }
        Assert.Equal(expected, actual);
    }

    /// <param name="cut">Below 10: the section loses so many bytes.</param>
    /// <param name="order">0: the section is left out; 1: it is there twice; 2: it is the first; else where it was.</param>
    public static byte[] Damage(List<Section> sections, int target, IEnumerable<int> flips, int cut, int order)
    {
        var payload = (byte[])sections[target].Payload.Clone();
        foreach (var flip in flips)
            payload[flip / 8 % payload.Length] ^= (byte)(1 << flip % 8);
        if (cut < 10)
            payload = payload[..Math.Max(0, payload.Length - cut)];
        var damaged = sections[target] with { Payload = payload };
        var all = new List<Section>(sections) { [target] = damaged };
        switch (order)
        {
            case 0:
                all.RemoveAt(target);
                break;
            case 1:
                all.Add(damaged);
                break;
            case 2:
                all.RemoveAt(target);
                all.Insert(0, damaged);
                break;
        }
        using var stream = new MemoryStream();
        var writer = new SnapshotWriter(stream);
        foreach (var section in all)
            writer.Add(section.Kind, section.Instance, section.Payload);
        writer.End();
        return stream.ToArray();
    }
}
