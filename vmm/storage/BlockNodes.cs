namespace Gauntlet.Vmm.Storage;

/// <summary>A disk that can be named.</summary>
/// <param name="Name">Of its node.</param>
/// <param name="Driver">What it is made of, by QEMU's names: <c>raw</c>, <c>qcow2</c>, <c>null-co</c>, <c>blkdebug</c>.</param>
/// <param name="File">Where it is.</param>
public sealed record BlockNode(string Name, string Driver, string File, IBlockImage Image)
{
    /// <summary>The drive or device that has it; null: nobody yet.</summary>
    public string? User { get; init; }

    /// <summary>Where its requests can be made to wait.</summary>
    public BlkDebugImage? Breakpoints { get; init; }

    /// <summary>What its user wants done about errors; null: nobody has it.</summary>
    public BlockErrors? Errors { get; init; }
}

/// <summary>The disks of a machine, by node name. From any thread.</summary>
public sealed class BlockNodes : IDisposable
{
    /// <summary>A client that goes mad must not fill memory.</summary>
    public const int Most = 1024;

    private readonly Lock _gate = new();
    private readonly List<BlockNode> _nodes = [];
    private int _unnamed;

    public IReadOnlyList<BlockNode> All
    {
        get
        {
            lock (_gate)
                return [.. _nodes];
        }
    }

    /// <summary>A name for a disk that was given none, as QEMU has it.</summary>
    public string NewName() => $"#block{Interlocked.Increment(ref _unnamed):d3}";

    public BlockNode? Find(string name)
    {
        lock (_gate)
            return _nodes.Find(node => node.Name == name);
    }

    /// <exception cref="BlockImageException">The name is taken, or there are too many.</exception>
    public void Add(BlockNode node)
    {
        lock (_gate)
        {
            if (_nodes.Exists(other => other.Name == node.Name))
                throw new BlockImageException($"Duplicate nodes with node-name='{node.Name}'");
            if (_nodes.Count == Most)
                throw new BlockImageException($"there are {Most} nodes already");
            _nodes.Add(node);
        }
    }

    /// <summary>Gives a node to somebody, whose own its image is from here on.</summary>
    /// <param name="errors">What that somebody wants done about errors.</param>
    /// <exception cref="BlockImageException">There is none of that name, or somebody has it.</exception>
    public IBlockImage Take(string name, string user, BlockErrors? errors = null)
    {
        lock (_gate)
        {
            var index = _nodes.FindIndex(node => node.Name == name);
            if (index < 0)
                throw new BlockImageException($"Cannot find device='' nor node-name='{name}'");
            if (_nodes[index].User is { } other)
                throw new BlockImageException($"node '{name}' is in use by '{other}'");
            _nodes[index] = _nodes[index] with { User = user, Errors = errors };
            return _nodes[index].Image;
        }
    }

    /// <summary>A device has gone, with the image that it had.</summary>
    public void Forget(string user)
    {
        lock (_gate)
            _nodes.RemoveAll(node => node.User == user);
    }

    /// <summary>Closes a node that nobody has.</summary>
    /// <exception cref="BlockImageException">There is none of that name, or somebody has it.</exception>
    public void Remove(string name)
    {
        lock (_gate)
        {
            var node = _nodes.Find(other => other.Name == name) ?? throw new BlockImageException($"Failed to find node with node-name='{name}'");
            if (node.User is not null)
                throw new BlockImageException($"Node {name} is in use");
            _nodes.Remove(node);
            node.Image.Dispose();
        }
    }

    /// <summary>Closes those that nobody took.</summary>
    public void Dispose()
    {
        foreach (var node in All)
        {
            if (node.User is null)
                node.Image.Dispose();
        }
    }
}
