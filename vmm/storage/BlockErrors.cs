namespace Gauntlet.Vmm.Storage;

/// <summary>What follows when the host could not do what a disk was asked for.</summary>
public enum BlockErrorAction
{
    /// <summary>The guest is told.</summary>
    Report,

    /// <summary>The guest is told that it was done.</summary>
    Ignore,

    /// <summary>The guest is told nothing; the machine stops, and the request is tried again when it goes on.</summary>
    Stop,
}

/// <summary>A request to a disk that the host could not carry out.</summary>
/// <param name="Device">The disk, as the host's user knows it.</param>
/// <param name="Node">Its content.</param>
/// <param name="IsWrite">A write, or what makes writes last; else a read.</param>
public sealed record BlockError(string Device, string Node, bool IsWrite, BlockErrorAction Action);

/// <summary>What a disk's user wants done about errors of the host, and who is told of them (QEMU's <c>rerror=</c> and <c>werror=</c>).</summary>
/// <param name="read">After a read.</param>
/// <param name="write">After a write, a flush or a discard.</param>
public sealed class BlockErrors(string device = "", string node = "", BlockErrorAction read = BlockErrorAction.Report, BlockErrorAction write = BlockErrorAction.Report)
{
    private Action<BlockError> _onError = static _ => { };

    /// <summary>Where requests wait at breakpoints: those have not failed.</summary>
    public BlkDebugImage? Breakpoints { get; init; }

    /// <summary>There was one since <see cref="Forget"/>: QMP's <c>io-status</c>.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Once: who is told of each. Called with the device lock held, for an action that stops the machine before that is done.</summary>
    public void Connect(Action<BlockError> onError) => _onError = onError;

    /// <summary>Tells of a request that failed, and what its device is to do: with <see cref="BlockErrorAction.Stop"/>, keep it for <see cref="Bus.IResumable"/>.</summary>
    public BlockErrorAction Note(bool isWrite)
    {
        if (Breakpoints is { IsHoldingBack: true })
            return BlockErrorAction.Stop;
        HasFailed = true;
        var action = isWrite ? write : read;
        _onError(new BlockError(device, node, isWrite, action));
        return action;
    }

    /// <summary>The machine goes on.</summary>
    public void Forget() => HasFailed = false;
}
